package evil

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"xtls-agent/trust"
	"xtls-agent/xmpp"
)

// scene is one device and one phone, for an attack on the blocks of their bytestreams.
type scene struct {
	*server
	d *device
	p *phone

	// Guarded by the server's lock while blocks go by.
	seen     int      // blocks or records, so far
	sessions []string // that blocks belonged to
	hit      *hit     // nil: nothing was changed
}

// hit is a block that was changed: whose, of which session, and whether the device, and the phone, had stored by then what that
// session is for.
type hit struct {
	from          string
	session       int // 1: by srp, 2: by x509
	device, phone bool
}

func newScene(t testing.TB) *scene {
	s := newServer()
	return &scene{server: s, d: startDevice(t, s, boxJID), p: startPhone(t, s, romeoJID)}
}

// onBlock makes the server honest but for the block with number at, from either side, which becomes what f returns.
func (sc *scene) onBlock(at int, f Move) {
	sc.become(func(st *xmpp.Stanza) []*xmpp.Stanza {
		if !IsData(st) {
			return []*xmpp.Stanza{st}
		}
		sc.hear(st)
		sc.seen++
		if sc.seen-1 != at {
			return []*xmpp.Stanza{st}
		}
		return sc.strike(st, f)
	})
}

// hear notes the session that a block belongs to.
func (sc *scene) hear(st *xmpp.Stanza) {
	if sid := SID(st); !slices.Contains(sc.sessions, sid) {
		sc.sessions = append(sc.sessions, sid)
	}
}

// strike delivers what f makes of a block. A hit is what does not deliver it as it was sent, and nothing else.
func (sc *scene) strike(st *xmpp.Stanza, f Move) []*xmpp.Stanza {
	from, sent, session := st.From.String(), st.Element().String(), len(sc.sessions)
	out := f(st)
	if altered(sent, out) {
		sc.hit = &hit{from, session, stored(sc.d.owners(), session), stored(sc.p.keys.Devices.All(), session)}
	}
	return out
}

// altered reports whether what is delivered is not, word for word, what was sent.
func altered(sent string, out []*xmpp.Stanza) bool {
	return len(out) != 1 || out[0] == nil || out[0].Element().String() != sent
}

// stored reports whether records hold what a session of a pairing is for: the first, by srp, makes one, the second, by x509, confirms it.
func stored(records []trust.Record, session int) bool {
	return len(records) > 0 && (session == 1 || records[0].State == trust.Confirmed)
}

// maxFewer is how many blocks or records fewer a pairing may take than another, since answers can share one.
const maxFewer = 3

// mustHit shows that the attack on a block or record was one, and returns what it hit; nil where that did not come about any more: of n
// that there were another time the last may not.
func (sc *scene) mustHit(t testing.TB, at, n int, err error) *hit {
	t.Helper()
	switch {
	case sc.hit != nil:
	case at < n-maxFewer || sc.seen > at:
		t.Fatalf("the weapon never hit: number %d of %d", at, sc.seen)
	case err != nil:
		t.Fatalf("untouched, they do not pair: %v", err)
	}
	return sc.hit
}

func (sc *scene) check(t testing.TB) {
	t.Helper()
	check(t, model{sc.p: {sc.d}}, []*device{sc.d}, []*phone{sc.p})
}

// attacked pairs while the server attacks number at of n, and returns whether they paired, and what was hit. Whoever paired has the other.
func (sc *scene) attacked(t *testing.T, at, n int) (paired bool, hit *hit) {
	t.Helper()
	err := sc.whileItMoves(t, func(ctx context.Context) error { return sc.p.pair(ctx, boxJID, sc.d) })
	sc.become(nil)
	hit = sc.mustHit(t, at, n, err)
	sc.check(t)
	if err == nil {
		sc.p.mustBePaired(sc.d)
	}
	return err == nil, hit
}

// seen returns how many of what arm counts a pairing takes, with the session that confirms it.
func seen(t *testing.T, arm func(*scene)) (n int) {
	inBubble(t, func(t *testing.T) {
		sc := newScene(t)
		arm(sc)
		sc.p.mustPair(sc.d)
		sc.become(nil)
		n = sc.seen
	})
	return n
}

// countBlocks returns how many blocks a pairing takes, with the session that confirms it.
func countBlocks(t *testing.T) int {
	return seen(t, func(sc *scene) { sc.onBlock(-1, nil) })
}

// One bit of any block, in either direction: the swap of a certificate in enrolment is this attack, since SRP's keys are not
// the server's. It hears of it, and neither side stores what it has not authenticated.
func TestFlippedBitInEveryBlock(t *testing.T) {
	t.Parallel()
	n := countBlocks(t)
	for at := range n {
		t.Run(fmt.Sprint("block ", at), func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) { flipped(t, at, n) })
		})
	}
}

func flipped(t *testing.T, at, n int) {
	sc := newScene(t)
	sc.onBlock(at, func(st *xmpp.Stanza) []*xmpp.Stanza { return []*xmpp.Stanza{Flip(st, at%40)} })
	paired, hit := sc.attacked(t, at, n)
	if paired && hit != nil && !hit.phone { // the last words of a session that has done its work do not matter
		t.Error("paired over a block that was altered")
	}
}

// The same, drawn as it is meant: the certificates go by in records of SRP's keys, and what the server puts in their place is
// refused. That a certificate of its own would be taken if it had the keys shows TestServerThatKnowsThePINPairs.
func TestSwappedCertificates(t *testing.T) {
	t.Parallel()
	for _, side := range []string{boxJID, romeoJID} {
		t.Run("of "+side, func(t *testing.T) {
			t.Parallel()
			recorded := newScene(t) // records of another pairing, whose keys the server does not have either
			recorded.p.mustPair(recorded.d)
			old := blocksFrom(recorded.sent(), side)
			sc := newScene(t)
			swapped, seen := 0, 0
			sc.become(func(st *xmpp.Stanza) []*xmpp.Stanza {
				if !IsData(st) || st.From.String() != side {
					return []*xmpp.Stanza{st}
				}
				seen++
				if seen <= 2 || seen > len(old) || swapped > 0 { // the first two are the handshake
					return []*xmpp.Stanza{st}
				}
				swapped++
				return []*xmpp.Stanza{WithBlock(st, old[seen-1])}
			})
			err := sc.whileItMoves(t, func(ctx context.Context) error { return sc.p.pair(ctx, boxJID, sc.d) })
			sc.become(nil)
			if swapped == 0 {
				t.Fatal("the weapon never hit")
			}
			if err == nil {
				t.Error("paired over swapped records")
			}
			sc.check(t)
		})
	}
}

// blocksFrom returns the blocks that one client has sent.
func blocksFrom(sent []*xmpp.Stanza, full string) (blocks []string) {
	for _, st := range sent {
		if block, ok := Block(st); ok && st.From.String() == full {
			blocks = append(blocks, block)
		}
	}
	return blocks
}
