package pairing

import (
	"errors"
	"fmt"
	"strings"

	"mellium.im/xmpp/jid"
)

// The URI of a device's QR code: xmpp:JID?xtls-pair;pin=NNNNNNNN, an XMPP URI
// (RFC 5122) with a query type of ours. Only ASCII is written and read: other
// characters of the JID are percent-encoded UTF-8.
const (
	uriScheme = "xmpp:"
	uriQuery  = "?xtls-pair;pin="

	// A bare JID has at most 1023 bytes before and after the @ (RFC 7622 §3),
	// and each may become three characters.
	maxURI = len(uriScheme) + 3*(1023+1+1023) + len(uriQuery) + pinDigits
)

// Errors of ParseURI hold nothing of the input, since it may hold a PIN.
var (
	errURIScheme = errors.New("pairing: not a device's URI: it must start with \"xmpp:\"")
	errURIQuery  = errors.New("pairing: not a device's URI: it must end with ?xtls-pair;pin= and 8 digits")
	errURIEscape = errors.New("pairing: not a device's URI: bad character or percent-encoding in the address")
	errURIJID    = errors.New("pairing: not a device's URI: its address is no bare JID")
	errURILength = errors.New("pairing: not a device's URI: too long")
)

// FormatURI returns the URI for the device with the given bare JID. It holds the PIN
// in the clear: it is for a display, not for a log.
func FormatURI(bare string, pin PIN) (string, error) {
	if pin.IsZero() {
		return "", errors.New("pairing: formatting a URI: no PIN")
	}
	if err := checkBare(bare); err != nil {
		return "", fmt.Errorf("pairing: formatting a URI: %w", err)
	}
	var b strings.Builder
	b.WriteString(uriScheme)
	for i := range len(bare) {
		if c := bare[i]; literal(c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	b.WriteString(uriQuery)
	b.WriteString(pin.Digits())
	return b.String(), nil
}

// ParseURI reads what FormatURI writes. It is strict: a resource, another query type,
// another key, a fragment, or anything after the PIN is an error. The scheme may be in
// capitals, as some QR encoders have it (RFC 3986 §3.1).
func ParseURI(s string) (bare string, pin PIN, err error) {
	if len(s) > maxURI {
		return "", PIN{}, errURILength
	}
	if len(s) < len(uriScheme) || !strings.EqualFold(s[:len(uriScheme)], uriScheme) {
		return "", PIN{}, errURIScheme
	}
	path, digits, found := strings.Cut(s[len(uriScheme):], uriQuery)
	if !found || len(digits) != pinDigits {
		return "", PIN{}, errURIQuery
	}
	if pin, err = ParsePIN(digits); err != nil {
		return "", PIN{}, errURIQuery
	}
	if bare, err = unescape(path); err != nil {
		return "", PIN{}, err
	}
	if err := checkBare(bare); err != nil {
		return "", PIN{}, errURIJID
	}
	return bare, pin, nil
}

// checkBare accepts a bare JID in its prepared form (RFC 7622), the only one that
// compares byte for byte with the JIDs on the wire.
func checkBare(bare string) error {
	j, err := jid.Parse(bare)
	if err != nil || j.Resourcepart() != "" || j.String() != bare {
		return errors.New("not a bare JID in prepared form")
	}
	return nil
}

// literal reports whether c stands for itself in what FormatURI writes: the
// unreserved characters, the @, and the brackets and colons of an IPv6 host
// (RFC 5122 §2.2).
func literal(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return strings.IndexByte("-._~@[]:", c) >= 0
}

// unescape undoes percent-encoding. Beside what FormatURI leaves as it is, it accepts
// the "nodeallow" characters of RFC 5122 §2.2, which others leave as they are. A JID
// has no place for an encoded @ or / in its parts, so those are refused too.
func unescape(path string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c == '%' {
			hi, lo := -1, -1
			if i+2 < len(path) {
				hi, lo = unhex(path[i+1]), unhex(path[i+2])
			}
			if hi < 0 || lo < 0 {
				return "", errURIEscape
			}
			c = byte(hi<<4 | lo)
			if c == '@' {
				return "", errURIEscape
			}
			i += 2
		} else if !literal(c) && strings.IndexByte("!$()*+,;=", c) < 0 {
			return "", errURIEscape
		}
		b.WriteByte(c)
	}
	return b.String(), nil
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
