package evil

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"xtls-agent/owner"
	"xtls-agent/xmpp"

	"mellium.im/xmpp/jid"
)

// reopens opens one more session, and says whether it was resumed.
func (p *phone) reopens(ctx context.Context) (resumed bool, err error) {
	var s *owner.Session
	if s, err = p.Open(ctx, jid.MustParse(boxJID)); err != nil {
		return false, err
	}
	defer s.Close()
	return strings.HasSuffix(s.Security(), ", resumed"), nil
}

// mustReopen is reopens over an honest server.
func (sc *scene) mustReopen(t *testing.T, want bool) {
	t.Helper()
	sc.become(nil)
	if err := inTime(t, func(ctx context.Context) error {
		resumed, err := sc.p.reopens(ctx)
		if err == nil && resumed != want {
			t.Errorf("resumed: %v", resumed)
		}
		return err
	}); err != nil {
		t.Errorf("the owner does not get in: %v", err)
	}
}

// One bit of any block of a resumed opening, the ticket's and its binder's among them: the session does not come about.
func TestFlippedBitInAResumedOpening(t *testing.T) {
	t.Parallel()
	blocks := 0
	inBubble(t, func(t *testing.T) {
		sc := newScene(t)
		sc.p.mustPair(sc.d)
		sc.onBlock(-1, nil)
		if resumed, err := sc.p.reopens(t.Context()); err != nil || !resumed {
			t.Fatalf("untouched, they do not resume: %v", err)
		}
		blocks = sc.seen
	})
	for at := range min(blocks, 3) { // what comes then are the words of an open session
		for _, from := range []int{0, 36, 45, 300} { // of the hello: binder, age, ticket, and what comes before
			inBubble(t, func(t *testing.T) {
				sc := newScene(t)
				sc.p.mustPair(sc.d)
				sc.onBlock(at, func(st *xmpp.Stanza) []*xmpp.Stanza { return []*xmpp.Stanza{Flip(st, from)} })
				err := sc.whileItMoves(t, func(ctx context.Context) error { return sc.p.open(ctx, boxJID) })
				if sc.hit == nil {
					t.Fatalf("block %d: the weapon never hit", at)
				}
				if err == nil {
					t.Errorf("block %d, byte %d from its end: a session came about", at, from)
				}
				sc.check(t)
				sc.mustReopen(t, at == 2) // by then both sides have verified each other, and have another ticket
				sc.mustReopen(t, true)
			})
		}
	}
}

// What an owner said in a session that was resumed, in the place of what he says in the next one: the device does not resume, and no
// session comes about.
func TestReplayedReopening(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		sc := newScene(t)
		sc.p.mustPair(sc.d)
		before := len(sc.sent())
		sc.mustReopen(t, true)
		synctest.Wait()
		theirs, recorded := blocksFrom(sc.sent()[before:], boxJID), blocksFrom(sc.sent()[before:], romeoJID)
		next := 0
		before = len(sc.sent())
		sc.become(func(st *xmpp.Stanza) []*xmpp.Stanza {
			if !IsData(st) || st.From.String() != romeoJID || next >= len(recorded) {
				return []*xmpp.Stanza{st}
			}
			again := WithBlock(st, recorded[next])
			next++
			return []*xmpp.Stanza{again}
		})
		err := sc.whileItMoves(t, func(ctx context.Context) error { return sc.p.open(ctx, boxJID) })
		if answers := blocksFrom(sc.sent()[before:], boxJID); next == 0 || len(answers) == 0 {
			t.Fatal("the weapon never hit")
		} else if len(answers[0]) <= len(theirs[0]) {
			t.Errorf("the device's first flight has %d characters, when it resumed it had %d", len(answers[0]), len(theirs[0]))
		}
		if err == nil {
			t.Error("a session came about")
		}
		sc.check(t)
		sc.mustReopen(t, false)
		sc.mustReopen(t, true)
	})
}
