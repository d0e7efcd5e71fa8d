package testpeer

import (
	"net"
	"sync"
	"testing"
)

// Relay is a TCP relay on loopback through which a test can take a connection away.
type Relay struct {
	Addr string // where it listens

	target   string
	listener net.Listener
	running  sync.WaitGroup

	mu     sync.Mutex // guards what follows
	thaw   *sync.Cond
	conns  map[net.Conn]struct{}
	frozen bool
	closed bool
}

// NewRelay relays to target until the test ends.
func NewRelay(t testing.TB, target string) *Relay {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("testpeer: relay: %v", err)
	}
	r := &Relay{Addr: l.Addr().String(), target: target, listener: l, conns: make(map[net.Conn]struct{})}
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
		r.running.Go(func() { r.copy(far, near) })
		r.running.Go(func() { r.copy(near, far) })
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
func (r *Relay) copy(to, from net.Conn) {
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.conns, from)
		_ = from.Close()
		_ = to.Close()
	}()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil || !r.waitThaw() {
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (r *Relay) waitThaw() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.frozen && !r.closed {
		r.thaw.Wait()
	}
	return !r.closed
}
