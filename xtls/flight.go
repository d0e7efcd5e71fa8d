package xtls

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// flightConn lets a TLS client's last flight leave together with what the application says first, as one block: crypto/tls writes
// each by itself. While the handshake runs, what is written leaves when this side waits for an answer. After it, what is held
// leaves with the next write, and if there is none, by itself after joinTimeout.
type flightConn struct {
	net.Conn
	patient bool        // a read sends nothing: no answer is waited for
	idle    atomic.Bool // nothing is held

	mu      sync.Mutex // guards all below, and the order of writes
	holding bool
	held    []byte
	lost    error // why something that was held did not leave: what comes after it must not leave either
}

// joinTimeout is how long the last flight waits for company. Whoever opens a stream speaks at once.
const joinTimeout = 10 * time.Millisecond

func newFlightConn(conn net.Conn) *flightConn {
	c := &flightConn{Conn: conn, holding: true}
	c.idle.Store(true)
	return c
}

// newTicketConn returns a conn for a TLS server, which writes through it until hold is called. What it writes then, a ticket, leaves with what
// the application says first, or by itself after joinTimeout.
func newTicketConn(conn net.Conn) *flightConn {
	c := &flightConn{Conn: conn, patient: true}
	c.idle.Store(true)
	return c
}

func (c *flightConn) hold() {
	c.mu.Lock()
	c.holding = true
	c.mu.Unlock()
	time.AfterFunc(joinTimeout, func() { _ = c.flush() })
}

func (c *flightConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost != nil {
		return 0, c.lost
	}
	if c.holding {
		c.held = append(c.held, p...)
		c.idle.Store(false)
		return len(p), nil
	}
	before := len(c.held)
	if before == 0 {
		return c.Conn.Write(p)
	}
	var n int
	n, c.lost = c.Conn.Write(append(c.take(), p...))
	return max(0, n-before), c.lost
}

// Read sends what is held before it waits.
func (c *flightConn) Read(p []byte) (int, error) {
	if !c.patient {
		if err := c.flush(); err != nil {
			return 0, err
		}
	}
	return c.Conn.Read(p)
}

// take returns what is held. The caller holds mu.
func (c *flightConn) take() []byte {
	held := c.held
	c.held = nil
	c.idle.Store(true)
	return held
}

// flush sends what is held. It must not wait for a write that waits for the peer to read: once nothing is held, it takes no lock.
func (c *flightConn) flush() error {
	if c.idle.Load() {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.held) == 0 {
		return nil
	}
	_, c.lost = c.Conn.Write(c.take())
	return c.lost
}

// handshakeDone is told how the handshake ended. An alert leaves at once.
func (c *flightConn) handshakeDone(err error) {
	c.mu.Lock()
	c.holding = false
	c.mu.Unlock()
	if err != nil {
		_ = c.flush() // the handshake's own error counts
		return
	}
	time.AfterFunc(joinTimeout, func() { _ = c.flush() }) // a connection that is broken says so to who uses it
}
