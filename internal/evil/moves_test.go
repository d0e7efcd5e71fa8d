package evil

import (
	"math/rand/v2"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
)

// The moves that random plans are made of. Each is made anew for a step, since some of them remember. They run under the server's
// lock, and so may share a source of randomness.
var moves = []struct {
	name string
	make func(s *server, r *rand.Rand) move
}{
	{"drop", rarely(func(_ *server, _ *rand.Rand, _ *xmpp.Stanza) []*xmpp.Stanza { return nil })},
	{"repeat", rarely(func(_ *server, _ *rand.Rand, st *xmpp.Stanza) []*xmpp.Stanza { return []*xmpp.Stanza{st, clone(st)} })},
	{"replay", rarely(func(s *server, r *rand.Rand, st *xmpp.Stanza) []*xmpp.Stanza {
		return []*xmpp.Stanza{st, clone(s.heard[r.IntN(len(s.heard))])}
	})},
	{"flip", rarely(func(_ *server, r *rand.Rand, st *xmpp.Stanza) []*xmpp.Stanza {
		return []*xmpp.Stanza{flip(st, r.IntN(60))}
	})},
	{"turn round", rarely(func(_ *server, _ *rand.Rand, st *xmpp.Stanza) []*xmpp.Stanza {
		back := clone(st)
		back.From, back.To = st.To, st.From
		return []*xmpp.Stanza{st, back}
	})},
	{"another's name", rarely(func(_ *server, r *rand.Rand, st *xmpp.Stanza) []*xmpp.Stanza {
		st.From = jid.MustParse(everybody[r.IntN(len(everybody))])
		return []*xmpp.Stanza{st}
	})},
	{"invent", rarely(func(_ *server, r *rand.Rand, st *xmpp.Stanza) []*xmpp.Stanza {
		return []*xmpp.Stanza{st, invented(r)}
	})},
	{"cut", rarely(func(_ *server, _ *rand.Rand, st *xmpp.Stanza) []*xmpp.Stanza {
		if !isData(st) {
			return []*xmpp.Stanza{st}
		}
		return cut(st)
	})},
	{"reorder", func(_ *server, r *rand.Rand) move { return held(r, 1) }},
	{"delay", func(_ *server, r *rand.Rand) move { return held(r, 2+r.IntN(4)) }},
	{"rewrite", func(_ *server, r *rand.Rand) move {
		w := &weapon{change: rewritings[r.IntN(len(rewritings))].change}
		return w.move
	}},
	{"cross", func(*server, *rand.Rand) move { return crossed(romeoJID, boxJID, box2JID) }},
	{"cross owners", func(*server, *rand.Rand) move { return crossed(boxJID, paulJID, romeoJID) }},
}

var everybody = []string{boxJID, box2JID, romeoJID, paulJID, "home.example", "mallory@evil.example/x"}

// rarely makes a move of what happens to one stanza in a dozen or so.
func rarely(f func(*server, *rand.Rand, *xmpp.Stanza) []*xmpp.Stanza) func(*server, *rand.Rand) move {
	return func(s *server, r *rand.Rand) move {
		rate := 4 + r.IntN(20)
		return func(st *xmpp.Stanza) []*xmpp.Stanza {
			if r.IntN(rate) != 0 {
				return []*xmpp.Stanza{st}
			}
			return f(s, r, st)
		}
	}
}

// held keeps a stanza now and then until n more have passed.
func held(r *rand.Rand, n int) move {
	var kept *xmpp.Stanza
	left := 0
	return func(st *xmpp.Stanza) []*xmpp.Stanza {
		switch {
		case kept == nil && r.IntN(8) == 0:
			kept, left = st, n
			return nil
		case kept != nil && left == 1:
			out := []*xmpp.Stanza{st, kept}
			kept = nil
			return out
		}
		left--
		return []*xmpp.Stanza{st}
	}
}

// invented is a stanza that nobody sent.
func invented(r *rand.Rand) *xmpp.Stanza {
	st := &xmpp.Stanza{
		ID:   "evil",
		From: jid.MustParse(everybody[r.IntN(len(everybody))]),
		To:   jid.MustParse([]string{boxJID, romeoJID}[r.IntN(2)]),
	}
	switch r.IntN(4) {
	case 0:
		st.Kind, st.Type = xmpp.Presence, "subscribe"
	case 1:
		st.Kind, st.Type = xmpp.Presence, "unavailable"
	case 2: // asked for in the clear
		st.Kind, st.Type = xmpp.IQ, xmpp.Get
		st.Payload = []*xmpp.Element{xmpp.NewElement("urn:xmpp:tmp:pubkey", "pubkeys")}
	default:
		st.Kind, st.Type = xmpp.IQ, xmpp.Set
		st.Payload = []*xmpp.Element{xmpp.NewElement("http://jabber.org/protocol/ibb", "open").
			With("sid", "evil").With("block-size", "4096").With("stanza", "iq")}
	}
	return st
}

// composed makes one move of several, each of which gets what the one before has made.
func composed(list []move) move {
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
