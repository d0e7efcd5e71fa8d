package trust

import (
	"crypto/sha1" // to look up what old peers announce, never to trust
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// Fingerprint is the SHA-256 of a certificate's DER. It is what gets pinned.
type Fingerprint [sha256.Size]byte

// FingerprintOf returns the fingerprint of a certificate's DER.
func FingerprintOf(der []byte) Fingerprint { return sha256.Sum256(der) }

// String is lowercase hex without separators, as it goes on the wire.
func (f Fingerprint) String() string { return hex.EncodeToString(f[:]) }

// IsZero reports whether f was never set.
func (f Fingerprint) IsZero() bool { return f == Fingerprint{} }

// ParseFingerprint reads 32 bytes of hex in any case, with or without colons and
// spaces.
func ParseFingerprint(text string) (Fingerprint, error) {
	b, err := parseHex(text)
	if err != nil {
		return Fingerprint{}, err
	}
	if len(b) != sha256.Size {
		return Fingerprint{}, fmt.Errorf("trust: a SHA-256 fingerprint has %d bytes, not %d", sha256.Size, len(b))
	}
	return Fingerprint(b), nil
}

// Names of hash functions, as in <fingerprint algo='…'/>.
const (
	AlgoSHA1   = "sha-1"
	AlgoSHA256 = "sha-256"
)

// Announced is a fingerprint as a peer announces it in Jingle's <security/>: a SHA-256
// or, from peers of 2009, a SHA-1. It says which certificate the peer is about to
// use. A SHA-1 is good for looking up a stored certificate and for nothing else; the
// pin is always a [Fingerprint].
//
// The zero Announced matches nothing. Values can be compared with ==.
type Announced struct {
	sum  [sha256.Size]byte // a SHA-1 fills the first 20 bytes
	size int               // sha1.Size, sha256.Size, or 0: not announced
}

// Announce returns f as it is announced.
func Announce(f Fingerprint) Announced { return Announced{sum: f, size: sha256.Size} }

// ParseAnnounced reads an announced fingerprint leniently (DESIGN §3): any case, with
// or without colons and spaces. If algo is empty, the length tells: 20 bytes is SHA-1, 32 is SHA-256.
func ParseAnnounced(algo, text string) (Announced, error) {
	b, err := parseHex(text)
	if err != nil {
		return Announced{}, err
	}
	size := len(b)
	switch strings.ToLower(strings.TrimSpace(algo)) {
	case "":
	case AlgoSHA1, "sha1":
		size = sha1.Size
	case AlgoSHA256, "sha256":
		size = sha256.Size
	default:
		return Announced{}, fmt.Errorf("trust: fingerprint by an unknown hash function %q", clip(algo))
	}
	if len(b) != size || size != sha1.Size && size != sha256.Size {
		return Announced{}, fmt.Errorf("trust: a fingerprint of %d bytes is neither SHA-1 nor SHA-256, or not what it says", len(b))
	}
	a := Announced{size: size}
	copy(a.sum[:], b)
	return a, nil
}

// IsZero reports whether nothing was announced.
func (a Announced) IsZero() bool { return a.size == 0 }

// Algo is [AlgoSHA1], [AlgoSHA256], or empty.
func (a Announced) Algo() string {
	switch a.size {
	case sha1.Size:
		return AlgoSHA1
	case sha256.Size:
		return AlgoSHA256
	}
	return ""
}

// String is lowercase hex without separators.
func (a Announced) String() string { return hex.EncodeToString(a.sum[:a.size]) }

// Matches reports whether cert is the announced certificate. For a SHA-1 that is a
// hint only: check the pin as well.
func (a Announced) Matches(cert *x509.Certificate) bool {
	return cert != nil && a.MatchesDER(cert.Raw)
}

// MatchesDER is Matches for a certificate's DER.
func (a Announced) MatchesDER(der []byte) bool {
	switch a.size {
	case sha1.Size:
		sum := sha1.Sum(der)
		return [sha1.Size]byte(a.sum[:sha1.Size]) == sum
	case sha256.Size:
		return a.sum == sha256.Sum256(der)
	}
	return false
}

// maxHexText bounds the text of a fingerprint: 32 bytes, each with a separator, and
// some white space around it.
const maxHexText = 256

func parseHex(text string) ([]byte, error) {
	if len(text) > maxHexText {
		return nil, errors.New("trust: fingerprint is too long")
	}
	digits := strings.Map(func(r rune) rune {
		if strings.ContainsRune(": \t\r\n", r) {
			return -1
		}
		return r
	}, text)
	b, err := hex.DecodeString(digits)
	if err != nil {
		return nil, errors.New("trust: fingerprint is not hexadecimal")
	}
	return b, nil
}

// clip shortens a peer's text for use in an error.
func clip(s string) string {
	const most = 32
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
