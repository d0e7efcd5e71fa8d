// Package memconn is a connection in memory, for measuring what stands on it and not the network.
//
// Unlike net.Pipe it holds what was written until it is read, so one goroutine can write at one end and then read at the other. It
// holds as much as is written, and has no deadlines.
package memconn

import (
	"io"
	"net"
	"sync"
	"time"
)

// A Conn is one of the two ends.
type Conn struct {
	in, out *stream
}

// Pair returns the two ends of a connection.
func Pair() (a, b *Conn) {
	there, back := newStream(), newStream()
	return &Conn{in: back, out: there}, &Conn{in: there, out: back}
}

// Read waits until there is something.
func (c *Conn) Read(b []byte) (int, error) { return c.in.read(b) }

// Write never waits.
func (c *Conn) Write(b []byte) (int, error) { return c.out.write(b) }

// Written returns how many bytes were written at this end.
func (c *Conn) Written() int {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return c.out.total
}

// Close ends both directions. What was written before can still be read.
func (c *Conn) Close() error {
	c.in.close()
	c.out.close()
	return nil
}

// LocalAddr returns a name.
func (c *Conn) LocalAddr() net.Addr { return addr{} }

// RemoteAddr returns a name.
func (c *Conn) RemoteAddr() net.Addr { return addr{} }

// SetDeadline does nothing.
func (c *Conn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (c *Conn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }

type addr struct{}

func (addr) Network() string { return "memory" }
func (addr) String() string  { return "memory" }

// A stream is one direction.
type stream struct {
	mu     sync.Mutex // guards what follows
	cond   *sync.Cond // more to read, or closed
	buf    []byte
	r      int // buf[r:] is yet to be read
	total  int
	closed bool
}

func newStream() *stream {
	s := &stream{}
	s.cond = sync.NewCond(&s.mu)
	return s
}

func (s *stream) write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, io.ErrClosedPipe
	}
	s.buf = append(s.buf, b...)
	s.total += len(b)
	s.cond.Broadcast()
	return len(b), nil
}

func (s *stream) read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.r == len(s.buf) {
		if s.closed {
			return 0, io.EOF
		}
		s.cond.Wait()
	}
	n := copy(b, s.buf[s.r:])
	if s.r += n; s.r == len(s.buf) {
		s.buf, s.r = s.buf[:0], 0
	}
	return n, nil
}

func (s *stream) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.cond.Broadcast()
}
