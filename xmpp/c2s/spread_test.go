package c2s

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"xtls-agent/xmpp/stream"
)

// Thousands of clients whose server has gone come back evenly: in no second more than twice as many as in the mean.
func TestFleetComesBackEvenly(t *testing.T) {
	const clients, spread = 5000, 30 * time.Second
	chance := rand.New(rand.NewPCG(1, 2))
	var perSecond [int(spread / time.Second)]int
	for range clients {
		r := retry{jitter: chance.Float64, spread: spread}
		r.lost(1)
		if first, _ := r.next(false); first != 0 {
			t.Fatalf("looks whether the server is there after %v", first)
		}
		wait, _ := r.next(true)
		perSecond[wait/time.Second]++
	}
	if mean := clients / len(perSecond); slices.Max(perSecond[:]) >= 2*mean || slices.Min(perSecond[:]) <= mean/2 {
		t.Errorf("come back a second: %v", perSecond)
	}
}

// Apart from the others is waited once for each loss, then as ever.
func TestRetryOfAServerThatHasGone(t *testing.T) {
	r := retry{jitter: func() float64 { return 0.5 }, spread: 20 * time.Second}
	for loss := range uint64(2) {
		r.lost(loss + 1)
		var got []time.Duration
		for i := range 5 {
			wait, apart := r.next(i > 0)
			if got = append(got, wait); apart != (i == 1) {
				t.Errorf("wait %d is apart: %v", i, apart)
			}
		}
		want := []time.Duration{0, 10 * time.Second, 750 * time.Millisecond, 1500 * time.Millisecond, 3 * time.Second}
		if !slices.Equal(got, want) {
			t.Errorf("waits %v, want %v", got, want)
		}
	}
	r.lost(2) // again, and nothing came between
	if got, _ := r.next(true); got != 10*time.Second {
		t.Errorf("a server that has gone again is waited for %v", got)
	}
}

func TestHasGone(t *testing.T) {
	told := func(c string) error { return fmt.Errorf("c2s: %w", &stream.Error{Condition: c}) }
	for err, want := range map[error]bool{
		told(stream.SystemShutdown): true, told(stream.Reset): false, errEnded: false, nil: false, ErrDead: false,
	} {
		if hasGone(err) != want {
			t.Errorf("%v: has gone: %v", err, !want)
		}
	}
}
