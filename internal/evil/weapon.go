package evil

import (
	"encoding/base64"
	"regexp"
	"strings"
	"sync/atomic"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
)

// A Move is what the evil server makes of one stanza: it returns what is delivered in its place. It may alter the stanza and
// keep it for later. From is set already; it is the server that vouches for it, so a move may set another.
type Move func(st *xmpp.Stanza) []*xmpp.Stanza

// Clone returns a copy that shares nothing with st, as a peer would read it.
func Clone(st *xmpp.Stanza) *xmpp.Stanza {
	again := Rewrite(st, func(text string) string { return text })
	if again == nil {
		panic("evil: a stanza that cannot be written and read again: " + st.Element().String())
	}
	return again
}

// Rewrite returns the stanza with its text changed, or nil where that is no stanza any more.
func Rewrite(st *xmpp.Stanza, change func(string) string) *xmpp.Stanza {
	el, err := xmpp.ParseElement([]byte(change(st.Element().String())), xmpp.Limits{})
	if err != nil {
		return nil
	}
	again, err := xmpp.ParseStanza(el)
	if err != nil {
		return nil
	}
	return again
}

// A Weapon alters the text of stanzas, and counts those that it has hit.
type Weapon struct {
	Hits   atomic.Int32
	Change func(text string) string
}

// Move is the weapon's [Move].
func (w *Weapon) Move(st *xmpp.Stanza) []*xmpp.Stanza {
	before := st.Element().String()
	again := Rewrite(st, w.Change)
	if again == nil {
		return nil
	}
	if again.Element().String() != before {
		w.Hits.Add(1)
	}
	return []*xmpp.Stanza{again}
}

// In restricts a change to stanzas that hold a text.
func In(holds string, change func(string) string) func(string) string {
	return func(text string) string {
		if !strings.Contains(text, holds) {
			return text
		}
		return change(text)
	}
}

// Replace is the change of one pattern.
func Replace(old, with string) func(string) string {
	re := regexp.MustCompile(old)
	return func(text string) string { return re.ReplaceAllString(text, with) }
}

// What marks the stanzas of a negotiation.
const (
	Offer  = "action='session-initiate'"
	Answer = "action='session-accept'"
	Info   = "action='security-info'"
)

var dataElement = regexp.MustCompile(`(<data [^>]*>)([^<]*)(</data>)`)

// IsData reports whether a stanza carries a block of a bytestream.
func IsData(st *xmpp.Stanza) bool { return strings.Contains(st.Element().String(), "<data ") }

// Block returns the block that a stanza carries, in base64.
func Block(st *xmpp.Stanza) (block string, ok bool) {
	part := dataElement.FindStringSubmatch(st.Element().String())
	if part == nil {
		return "", false
	}
	return part[2], true
}

// WithBlock puts another block in the place of the one that a stanza carries.
func WithBlock(st *xmpp.Stanza, block string) *xmpp.Stanza {
	return Rewrite(st, func(text string) string { return dataElement.ReplaceAllString(text, "${1}"+block+"${3}") })
}

// Flip inverts a bit of the last byte but n of a block: of a record's content, or of its MAC.
func Flip(st *xmpp.Stanza, n int) *xmpp.Stanza {
	text, ok := Block(st)
	block, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(block) == 0 {
		return st
	}
	block[max(0, len(block)-1-n)] ^= 0x10
	return WithBlock(st, base64.StdEncoding.EncodeToString(block))
}

var sidAttr = regexp.MustCompile(`sid='([^']*)'`)

// SID returns the name of the bytestream or session that a stanza is about; it must be about one.
func SID(st *xmpp.Stanza) string { return sidAttr.FindStringSubmatch(st.Element().String())[1] }

// Cut ends the bytestream after a block, to both sides, as if the other had closed it.
func Cut(st *xmpp.Stanza) []*xmpp.Stanza {
	if !IsData(st) {
		return []*xmpp.Stanza{st}
	}
	sid := SID(st)
	stop := func(id string, from, to jid.JID) *xmpp.Stanza {
		return &xmpp.Stanza{Kind: xmpp.IQ, Type: xmpp.Set, ID: id, From: from, To: to, Payload: []*xmpp.Element{
			xmpp.NewElement("http://jabber.org/protocol/ibb", "close").With("sid", sid),
		}}
	}
	return []*xmpp.Stanza{st, stop("cut-1", st.From, st.To), stop("cut-2", st.To, st.From)}
}

// Crossed connects victim with another than it means: what it sends to meant reaches got, and the other way round. The names
// in the stanzas are exchanged too, so that Jingle sees nothing wrong. All three are full JIDs.
func Crossed(victim, meant, got string) Move {
	bareMeant, bareGot := jid.MustParse(meant).Bare().String(), jid.MustParse(got).Bare().String()
	rename := func(st *xmpp.Stanza, old, bareOld, with, bareWith string) []*xmpp.Stanza {
		names := strings.NewReplacer(old, with, bareOld, bareWith)
		return []*xmpp.Stanza{Rewrite(st, names.Replace)}
	}
	return func(st *xmpp.Stanza) []*xmpp.Stanza {
		switch from, to := st.From.String(), st.To.String(); {
		case from == victim && to == meant:
			return rename(st, meant, bareMeant, got, bareGot)
		case from == got && to == victim:
			return rename(st, got, bareGot, meant, bareMeant)
		}
		return []*xmpp.Stanza{st}
	}
}

// Composed makes one move of several, each of which gets what the one before has made.
func Composed(list []Move) Move {
	return func(st *xmpp.Stanza) []*xmpp.Stanza {
		now := []*xmpp.Stanza{st}
		for _, m := range list {
			var next []*xmpp.Stanza
			for _, st := range now {
				if st != nil {
					next = append(next, m(st)...)
				}
			}
			now = next
		}
		return now
	}
}
