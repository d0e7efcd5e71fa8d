package c2s

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"xtls-agent/xmpp"
)

// sentOverhead is what a stanza that is kept costs beside its bytes.
const sentOverhead = 64

// sent is what was written to a managed stream and not acknowledged yet, oldest first (XEP-0198 §4). It is the sender's
// responsibility: it is sent again, or named when it cannot be.
type sent struct {
	list  [][]byte // as it was written
	bytes int
	acked uint32 // so many the server has handled before these, modulo 2³²
}

func (s *sent) add(stanza []byte) {
	s.list = append(s.list, stanza)
	s.bytes += len(stanza) + sentOverhead
}

// total is how many stanzas were written, modulo 2³².
func (s *sent) total() uint32 { return s.acked + uint32(len(s.list)) }

// ack drops what the server says it has handled, and returns how many that were. A count that no server can have is a
// *countError: more than was written, or less than it has said before, which modulo 2³² is the same.
func (s *sent) ack(h uint32) (int, error) {
	n := h - s.acked
	if n > uint32(len(s.list)) {
		return 0, &countError{h: h, sent: s.total()}
	}
	for _, stanza := range s.list[:n] {
		s.bytes -= len(stanza) + sentOverhead
	}
	clear(s.list[:n])
	s.list = s.list[n:]
	s.acked = h
	return int(n), nil
}

// stanzas returns what is there as stanzas.
func (s *sent) stanzas() []*xmpp.Stanza {
	var out []*xmpp.Stanza
	for _, data := range s.list {
		const stream = "<stream xmlns='" + xmpp.NSClient + "'>"
		d := xmpp.NewDecoder(io.MultiReader(strings.NewReader(stream), bytes.NewReader(data)), xmpp.Limits{Bytes: len(stream) + len(data)})
		if _, err := d.Root(); err != nil {
			continue
		}
		el, err := d.Next()
		if err != nil {
			continue // it is beyond the limits that we have for others
		}
		if st, err := xmpp.ParseStanza(el); err == nil {
			out = append(out, st)
		}
	}
	return out
}

// countError says that the server acknowledges what it cannot have got.
type countError struct{ h, sent uint32 }

func (e *countError) Error() string {
	return fmt.Sprintf("the server acknowledges %d stanzas of %d", e.h, e.sent)
}

// element is what the server is told (XEP-0198 §6).
func (e *countError) element() *xmpp.Element {
	return xmpp.NewElement(nsSM, "handled-count-too-high").
		With("h", fmt.Sprint(e.h)).With("send-count", fmt.Sprint(e.sent))
}
