package evil

import (
	"math/rand/v2"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
)

// The moves that random plans are made of, besides the Rewritings. Each is made anew for a step, since some of them
// remember. They run under the server's lock, and so may share a source of randomness.
var moves = []struct {
	name string
	make func(s *server, r *rand.Rand) Move
}{
	{"drop", rarely(func(_ *server, _ *rand.Rand, _ *xmpp.Stanza) []*xmpp.Stanza { return []*xmpp.Stanza{nil} })},
	{"repeat", rarely(func(_ *server, _ *rand.Rand, st *xmpp.Stanza) []*xmpp.Stanza { return []*xmpp.Stanza{st, Clone(st)} })},
	{"replay", rarely(func(s *server, r *rand.Rand, st *xmpp.Stanza) []*xmpp.Stanza {
		return []*xmpp.Stanza{st, Clone(s.heard[r.IntN(len(s.heard))])}
	})},
	{"flip", ofBlocks(func(_ *server, r *rand.Rand, st *xmpp.Stanza) []*xmpp.Stanza {
		return []*xmpp.Stanza{Flip(st, r.IntN(60))}
	})},
	{"swap the block", ofBlocks(swapped)},
	{"turn round", rarely(func(_ *server, _ *rand.Rand, st *xmpp.Stanza) []*xmpp.Stanza {
		back := Clone(st)
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
	{"cut", ofBlocks(func(_ *server, _ *rand.Rand, st *xmpp.Stanza) []*xmpp.Stanza { return Cut(st) })},
	{"reorder", func(_ *server, r *rand.Rand) Move { return held(r, 1) }},
	{"delay", func(_ *server, r *rand.Rand) Move { return held(r, 2+r.IntN(4)) }},
	{"cross devices", func(*server, *rand.Rand) Move { return Crossed(romeoJID, boxJID, box2JID) }},
	{"cross owners", func(*server, *rand.Rand) Move { return Crossed(boxJID, paulJID, romeoJID) }},
	{"reflect", func(*server, *rand.Rand) Move { return reflecting }},
}

var everybody = []string{boxJID, box2JID, romeoJID, paulJID, "home.example", "mallory@evil.example/x"}

// rarely makes a move of what happens to one stanza in a dozen or so.
func rarely(f func(*server, *rand.Rand, *xmpp.Stanza) []*xmpp.Stanza) func(*server, *rand.Rand) Move {
	return func(s *server, r *rand.Rand) Move {
		rate := 4 + r.IntN(20)
		return func(st *xmpp.Stanza) []*xmpp.Stanza {
			if r.IntN(rate) != 0 {
				return []*xmpp.Stanza{st}
			}
			return f(s, r, st)
		}
	}
}

// ofBlocks makes a move of what happens to one block in four or so: of all stanzas they are a quarter, and after the first of a session
// there may be no other.
func ofBlocks(f func(*server, *rand.Rand, *xmpp.Stanza) []*xmpp.Stanza) func(*server, *rand.Rand) Move {
	return func(s *server, r *rand.Rand) Move {
		rate := 2 + r.IntN(4)
		return func(st *xmpp.Stanza) []*xmpp.Stanza {
			if !IsData(st) || r.IntN(rate) != 0 {
				return []*xmpp.Stanza{st}
			}
			return f(s, r, st)
		}
	}
}

// swapped puts a block that the same client has sent before in the place of its new one.
func swapped(s *server, r *rand.Rand, st *xmpp.Stanza) []*xmpp.Stanza {
	old := blocksFrom(s.heard, st.From.String())
	if len(old) == 0 {
		return []*xmpp.Stanza{st}
	}
	return []*xmpp.Stanza{WithBlock(st, old[r.IntN(len(old))])}
}

// reflecting gives romeo back what he says to the device, as the device's words.
func reflecting(st *xmpp.Stanza) []*xmpp.Stanza {
	if st.From.String() == romeoJID && st.To.String() == boxJID {
		st.From, st.To = st.To, st.From
	}
	return []*xmpp.Stanza{st}
}

// held keeps a stanza now and then until n more have passed.
func held(r *rand.Rand, n int) Move {
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

// once is a weapon that has one shot.
func once(w *Weapon) Move {
	return func(st *xmpp.Stanza) []*xmpp.Stanza {
		if w.Hits.Load() > 0 {
			return []*xmpp.Stanza{st}
		}
		return w.Move(st)
	}
}

// A mood is what the evil server does during one step of a plan.
type mood struct {
	name string
	move Move
	// alone is the one rewriting, if the server does nothing else; weapon counts its hits.
	alone  *Rewriting
	weapon *Weapon
}

// counted tells a tally of every stanza that a move does something to. What it keeps (and so returns nothing for) counts when it comes
// after all, behind others.
func counted(c *tally, what string, m Move) Move {
	return func(st *xmpp.Stanza) []*xmpp.Stanza {
		sent := st.Element().String()
		out := m(st)
		if len(out) > 0 && altered(sent, out) {
			c.add(what)
		}
		return out
	}
}

// newMood makes a server honest one time in three; else it does one thing or two.
func newMood(s *server, r *rand.Rand, c *tally) mood {
	var m mood
	var list []Move
	for range r.IntN(3) {
		if r.IntN(3) > 0 {
			mv := moves[r.IntN(len(moves))]
			m.name += mv.name + " "
			list = append(list, counted(c, "move: "+mv.name, mv.make(s, rand.New(rand.NewPCG(r.Uint64(), 4)))))
			continue
		}
		m.alone = &Rewritings[r.IntN(len(Rewritings))]
		m.weapon = &Weapon{Change: m.alone.Change}
		m.name += "rewrite: " + m.alone.Name + " "
		list = append(list, m.weapon.Move)
		if m.alone.Pairing && m.alone.Name != "from" && r.IntN(2) == 0 { // of the sessions of a pairing the first alone
			m.name += "once "
			list[len(list)-1] = once(m.weapon)
		}
		list[len(list)-1] = counted(c, "rewrite: "+m.alone.Name, list[len(list)-1])
	}
	if len(list) != 1 {
		m.alone = nil
	}
	m.move = Composed(list)
	return m
}
