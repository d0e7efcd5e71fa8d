package testpeer

import (
	"context"
	"sync"
	"time"
)

// settling is how long a connection is left alone, so that something moves on it: a client is in no haste to come back from one that
// was of no use.
const settling = 50 * time.Millisecond

// A Steady cuts the connections of clients that resume their streams through a relay, and only when all of them are back: a server may throw
// the next try of a client out for one that was cut off (docs/design/009-stream-resumption.md).
type Steady struct {
	relay *Relay

	mu   sync.Mutex // guards all below
	away []bool     // of each client
	back chan struct{}
}

// NewSteady makes one for the clients of a relay.
func NewSteady(r *Relay) *Steady { return &Steady{relay: r, back: make(chan struct{}, 1)} }

// Client adds a client that has logged in. It tells by the function when it is back.
func (s *Steady) Client() (back func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := len(s.away)
	s.away = append(s.away, false)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.away[i] = false
		select {
		case s.back <- struct{}{}:
		default:
		}
	}
}

// Cut cuts once all clients are back, unless ctx ends before.
func (s *Steady) Cut(ctx context.Context) {
	for !s.cut() {
		select {
		case <-s.back:
		case <-ctx.Done():
			return
		}
		time.Sleep(settling)
	}
}

// cut reports whether all were there.
func (s *Steady) cut() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, away := range s.away {
		if away {
			return false
		}
	}
	for i := range s.away {
		s.away[i] = true
	}
	s.relay.Cut()
	return true
}
