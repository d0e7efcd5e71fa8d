package evil

import (
	"context"
	"errors"
	"testing"
	"time"

	"xtls-agent/owner"
)

// stall is how long nothing may move before the person gives up. It only cuts short what an attack has brought to a halt.
const stall = 500 * time.Millisecond

// whileItMoves runs try until it is done, or nothing moves any more.
func (s *server) whileItMoves(t testing.TB, try func(context.Context) error) error {
	t.Helper()
	return s.untilStill(t, stall, try)
}

// untilStill runs try until it is done, or nobody has said anything for so long.
func (s *server) untilStill(t testing.TB, still time.Duration, try func(context.Context) error) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience+3*still)
	defer cancel()
	done, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		for {
			select {
			case <-done:
				return
			case <-time.After(still / 10):
			}
			if s.quiet() > still {
				s.become(nil) // the person gives up, and so does the server: what is under way may end
				cancel()
				return
			}
		}
	}()
	s.mu.Lock()
	s.last = time.Now()
	s.mu.Unlock()
	err := try(ctx)
	close(done)
	<-watched
	return err
}

// inTime runs what must succeed.
func inTime(_ testing.TB, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return try(ctx)
}

// DESIGN §3, Negotiation: nothing that is said around TLS makes anybody trust another certificate.
func TestRewrittenNegotiation(t *testing.T) {
	t.Parallel()
	for _, r := range Rewritings {
		if r.Pairing {
			t.Run("pairing/"+r.Name, func(t *testing.T) { t.Parallel(); rewritten(t, r.Change, r.Ends, false) })
		}
		if r.Later {
			t.Run("later/"+r.Name, func(t *testing.T) { t.Parallel(); rewritten(t, r.Change, r.Ends, true) })
		}
	}
}

func rewritten(t *testing.T, change func(string) string, ends, later bool) {
	s := newServer()
	d, p := startDevice(t, s, boxJID), startPhone(t, s, romeoJID)
	if later {
		p.mustPair(d)
		d.press() // a window is open: srp would be granted
	}
	before := p.asked.Load()
	w := &Weapon{Change: change}
	s.become(w.Move)
	patiently := s.whileItMoves
	if !ends {
		patiently = inTime
	}
	err := patiently(t, func(ctx context.Context) error {
		if later {
			return p.open(ctx, boxJID)
		}
		return p.pair(ctx, boxJID, d)
	})
	s.become(nil)
	if w.Hits.Load() == 0 {
		t.Fatal("the weapon never hit")
	}
	if ends != (err != nil) {
		t.Errorf("outcome: %v", err)
	}
	check(t, model{p: {d}}, []*device{d}, []*phone{p})
	if err == nil { // and that is each other, by their own certificates
		p.mustBePaired(d)
		p.mustKnow(d)
	}
	if later && p.asked.Load() != before {
		t.Error("the person was asked for a PIN by a later session")
	}
	if later && errors.Is(err, owner.ErrNotPairing) {
		t.Errorf("a later session speaks of pairing: %v", err)
	}
}
