package c2s

import (
	"context"
	"net"
	"slices"
	"sync"
	"time"

	"xtls-agent/xmpp/internal/account"
)

// attemptDelay is how long one place may be silent before the next is tried beside it (RFC 8305 §8). The addresses of one place race
// in net.Dialer.
const attemptDelay = 250 * time.Millisecond

// race connects to places in their order, the next as soon as one has failed or was silent for a while (RFC 8305 §5). What
// comes about is handed out in the order in which it does.
type race struct {
	connect connecting
	left    []account.Candidate
	running []account.Candidate
	results chan arrival
	dialing sync.WaitGroup
	stop    context.CancelFunc
}

// connecting connects to a host and port.
type connecting func(ctx context.Context, addr string) (net.Conn, error)

// arrival is what came of a try to connect.
type arrival struct {
	place account.Candidate
	conn  net.Conn
	err   error
}

func newRace(places []account.Candidate, connect connecting) *race {
	return &race{connect: connect, left: places, results: make(chan arrival, len(places)), stop: func() {}}
}

// next waits for the next arrival. It returns false when all places have been handed out.
func (r *race) next(ctx context.Context) (arrival, bool) {
	if len(r.running) == 0 && len(r.left) == 0 {
		return arrival{}, false
	}
	if len(r.running) == 0 {
		r.start(ctx)
	}
	for {
		var silence <-chan time.Time
		if r.mayStart() {
			silence = time.After(attemptDelay)
		}
		select {
		case a := <-r.results:
			r.running = slices.DeleteFunc(r.running, func(c account.Candidate) bool { return c == a.place })
			return a, true
		case <-silence:
			r.start(ctx)
		}
	}
}

// mayStart reports whether the next place may be tried beside those that are. Another way to speak to the same one waits for
// the first to fail.
func (r *race) mayStart() bool {
	return len(r.left) > 0 && !slices.ContainsFunc(r.running, func(c account.Candidate) bool { return c.Addr == r.left[0].Addr })
}

func (r *race) start(ctx context.Context) {
	place := r.left[0]
	r.left = r.left[1:]
	r.running = append(r.running, place)
	ctx, cancel := context.WithCancel(ctx)
	outer := r.stop
	r.stop = func() { cancel(); outer() }
	r.dialing.Go(func() {
		conn, err := r.connect(ctx, place.Addr)
		r.results <- arrival{place, conn, err}
	})
}

// close ends the race: who has not been handed out by now is let go.
func (r *race) close() {
	r.stop()
	r.dialing.Wait()
	for len(r.results) > 0 {
		if a := <-r.results; a.conn != nil {
			_ = a.conn.Close()
		}
	}
}
