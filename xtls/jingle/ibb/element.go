package ibb

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"xtls-agent/xmpp"
)

// maxSID bounds the session id, which is part of a key that we store.
const maxSID = 256

// ErrMalformed is what every error of a parser here wraps.
var ErrMalformed = errors.New("ibb: malformed element")

// errStanza refuses a stream whose data would come in <message/>: nothing would be acknowledged.
var errStanza = errors.New("ibb: only iq stanzas carry data here")

// strict refuses stray bits.
var strict = base64.StdEncoding.Strict()

// Transport is the <transport/> of a Jingle content (XEP-0261 §2).
type Transport struct {
	NS        string // NSTransport or NSTransport0
	SID       string
	BlockSize int // 1 to MaxBlockSize
}

// ParseTransport reads a <transport/> of either namespace.
func ParseTransport(el *xmpp.Element) (Transport, error) {
	if !el.Is(NSTransport, "transport") && !el.Is(NSTransport0, "transport") {
		return Transport{}, fmt.Errorf("%w: not an ibb <transport/>", ErrMalformed)
	}
	o, err := parseOpenAttrs(el)
	return Transport{NS: el.Name.Space, SID: o.SID, BlockSize: o.BlockSize}, err
}

// Element returns t as XML.
func (t Transport) Element() *xmpp.Element {
	return xmpp.NewElement(t.NS, "transport").
		With("block-size", strconv.Itoa(t.BlockSize)).With("sid", t.SID)
}

// open is an <open/> (XEP-0047 §2.1).
type open struct {
	SID       string
	BlockSize int
}

func (o open) element() *xmpp.Element {
	return xmpp.NewElement(NS, "open").
		With("block-size", strconv.Itoa(o.BlockSize)).With("sid", o.SID).With("stanza", "iq")
}

func parseOpenAttrs(el *xmpp.Element) (open, error) {
	o := open{SID: el.Attr("sid")}
	if o.SID == "" || len(o.SID) > maxSID {
		return open{}, fmt.Errorf("%w: sid is missing or too long", ErrMalformed)
	}
	size, err := strconv.ParseUint(el.Attr("block-size"), 10, 16)
	if err != nil || size == 0 {
		return open{}, fmt.Errorf("%w: block-size must be 1 to %d", ErrMalformed, MaxBlockSize)
	}
	o.BlockSize = int(size)
	if stanza := el.Attr("stanza"); stanza != "" && stanza != "iq" {
		return open{}, errStanza
	}
	return o, nil
}

func dataElement(sid string, seq uint16, block []byte) *xmpp.Element {
	return xmpp.NewText(NS, "data", encode(block)).With("seq", strconv.Itoa(int(seq))).With("sid", sid)
}

// encode is base64, which the library's own EncodeToString makes twice: as bytes, and as a string.
func encode(block []byte) string {
	var text strings.Builder
	text.Grow(base64.StdEncoding.EncodedLen(len(block)))
	var buf [1024]byte
	for part := range slices.Chunk(block, len(buf)/4*3) {
		n := base64.StdEncoding.EncodedLen(len(part))
		base64.StdEncoding.Encode(buf[:], part)
		text.Write(buf[:n])
	}
	return text.String()
}

// parseData reads the number and the bytes of a <data/>, at most max bytes, which it appends to dst.
func parseData(el *xmpp.Element, max int, dst []byte) (seq uint16, block []byte, err error) {
	n, err := strconv.ParseUint(el.Attr("seq"), 10, 16)
	if err != nil {
		return 0, nil, fmt.Errorf("%w: seq must be 0 to 65535", ErrMalformed)
	}
	text := el.Text()
	if base64.StdEncoding.DecodedLen(len(text)) > max+2 {
		return 0, nil, fmt.Errorf("%w: block larger than %d bytes", ErrMalformed, max)
	}
	// XEP-0047 §2.2 and RFC 4648 §3: no character outside the alphabet, no padding inside, no
	// stray bits. Go's decoder skips line ends, so they are looked for here.
	if strings.Contains(text, "\r") || strings.Contains(text, "\n") || len(el.Children()) > 0 {
		return 0, nil, fmt.Errorf("%w: not base64", ErrMalformed)
	}
	block, err = strict.AppendDecode(dst, []byte(text))
	if err != nil {
		return 0, nil, fmt.Errorf("%w: not base64", ErrMalformed)
	}
	if len(block)-len(dst) > max {
		return 0, nil, fmt.Errorf("%w: block larger than %d bytes", ErrMalformed, max)
	}
	return uint16(n), block, nil
}

func closeElement(sid string) *xmpp.Element {
	return xmpp.NewElement(NS, "close").With("sid", sid)
}
