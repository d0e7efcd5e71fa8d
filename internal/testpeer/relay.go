package testpeer

import (
	"net"
	"sync"
	"testing"
	"time"
)

// Relay is a TCP relay on loopback through which a test can take a connection away, or hold it.
type Relay struct {
	Addr string // where it listens

	target   string
	line     Line
	listener net.Listener
	running  sync.WaitGroup

	mu     sync.Mutex // guards what follows
	thaw   *sync.Cond
	conns  map[net.Conn]struct{}
	frozen bool
	closed bool
	stall  *stall
	wires  uint64 // so many there were
}

// A Direction is one of the two in which a relay carries.
type Direction int

const (
	Up   Direction = iota // from who connected
	Down                  // to who connected
)

// stall is one that is still to begin.
type stall struct {
	before func(Direction, []byte) bool
	lasts  time.Duration
	begun  chan struct{}
	over   chan struct{}
}

// NewRelay relays to target until the test ends.
func NewRelay(t testing.TB, target string) *Relay {
	t.Helper()
	return newRelay(t, target, Line{})
}

func newRelay(t testing.TB, target string, line Line) *Relay {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("testpeer: relay: %v", err)
	}
	r := &Relay{Addr: l.Addr().String(), target: target, line: line, listener: l, conns: make(map[net.Conn]struct{})}
	r.thaw = sync.NewCond(&r.mu)
	r.running.Go(r.accept)
	t.Cleanup(func() {
		_ = l.Close()
		r.end(true)
		r.running.Wait()
	})
	return r
}

// Cut closes every connection, with no word to either side. New ones are taken.
func (r *Relay) Cut() { r.end(false) }

// Freeze lets nothing through any more, in either direction; connections stay open. New ones are taken and stay silent.
func (r *Relay) Freeze() { r.setFrozen(true) }

// Thaw ends a Freeze. What was held back goes on its way.
func (r *Relay) Thaw() { r.setFrozen(false) }

// Stall lets the line stand still for a while, as after Freeze, and then go on: from before the first chunk for which
// before holds. It is asked about each chunk in turn, until it holds once. The channels are closed when the stall begins, and
// when it is over.
func (r *Relay) Stall(lasts time.Duration, before func(d Direction, chunk []byte) bool) (begun, over <-chan struct{}) {
	s := &stall{before, lasts, make(chan struct{}), make(chan struct{})}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stall = s
	return s.begun, s.over
}

func (r *Relay) setFrozen(frozen bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.frozen = frozen
	r.thaw.Broadcast()
}

func (r *Relay) end(forGood bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = r.closed || forGood
	for c := range r.conns {
		_ = c.Close() // it is being torn
	}
	r.thaw.Broadcast()
}

func (r *Relay) accept() {
	for {
		near, err := r.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp4", r.target)
		if err != nil {
			_ = near.Close()
			continue
		}
		if !r.keep(near, far) {
			return
		}
		r.running.Go(func() { r.copy(Up, far, near) })
		r.running.Go(func() { r.copy(Down, near, far) })
	}
}

func (r *Relay) keep(near, far net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		_, _ = near.Close(), far.Close()
		return false
	}
	r.conns[near], r.conns[far] = struct{}{}, struct{}{}
	return true
}

// copy carries one direction. Its end is the end of both.
func (r *Relay) copy(d Direction, to, from net.Conn) {
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.conns, from)
		_ = from.Close()
		_ = to.Close()
	}()
	r.mu.Lock()
	wire := r.line.wire(r.wires)
	r.wires++
	r.mu.Unlock()
	wire.carry(to, from, func(chunk []byte) bool { return r.pass(d, chunk) })
}

// pass waits while the line stands still. It reports whether it goes on.
func (r *Relay) pass(d Direction, chunk []byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.stall; s != nil && s.before(d, chunk) {
		r.stall, r.frozen = nil, true
		close(s.begun)
		time.AfterFunc(s.lasts, func() { // of use to nobody, and of no harm, once the relay is closed
			r.Thaw()
			close(s.over)
		})
	}
	for r.frozen && !r.closed {
		r.thaw.Wait()
	}
	return !r.closed
}
