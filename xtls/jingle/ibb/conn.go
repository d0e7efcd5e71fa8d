package ibb

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
)

// Bounds of a stream's buffers, in blocks.
const (
	sendBlocks = 4  // written and not yet sent
	ackBlocks  = 16 // received and not yet read, above which acknowledgements are held back
	heldBlocks = 64 // received above that, from a peer whose window is large; more ends the stream
)

// Addr is an end of a byte stream.
type Addr struct {
	JID jid.JID
	SID string
}

// Network returns "ibb".
func (a Addr) Network() string { return "ibb" }

// String returns the address for people and logs.
func (a Addr) String() string { return fmt.Sprintf("%s#%s", a.JID, a.SID) }

// Conn is an in-band byte stream: a [net.Conn] whose deadlines work and whose Close unblocks.
type Conn struct {
	m    *Manager
	peer jid.JID
	sid  string

	ctx      context.Context // of sending; it ends by cancel alone, with the stream
	cancel   context.CancelFunc
	wake     chan struct{} // tells the keeper that there is something to do
	finished chan struct{} // closed when the keeper has ended

	writing sync.Mutex // held by the one Write that goes on: their bytes do not mix

	mu       sync.Mutex // guards all below
	block    int        // how many bytes a block carries at most; fixed once the stream is open
	heard    time.Time  // when the peer last sent a block, or acknowledged one
	readable signal     // there may be something to Read, or an end of it
	writable signal     // there may be room for a Write, or an end of it
	readBy   deadline
	writeBy  deadline
	closing  bool // Close was called

	in      bytes.Buffer
	nextIn  uint16
	recent  recent
	held    []*xmpp.Request  // blocks in the buffer whose acknowledgement waits for the reader
	early   map[uint16]early // blocks that came before their time
	gap     time.Time        // since when the one that is due is missing, while there are early ones
	readErr error            // what follows the buffer; nil while more may come

	out      []byte // written, and not yet sent
	writeErr error  // nil while more may be written
	sending
}

func newConn(m *Manager, peer jid.JID, sid string, block int) *Conn {
	ctx, cancel := context.WithCancel(context.Background())
	return &Conn{
		m: m, peer: peer, sid: sid, block: block, ctx: ctx, cancel: cancel,
		wake: make(chan struct{}, 1), finished: make(chan struct{}),
		sending: sending{window: newWindow(m.cfg.Window), acked: time.Now()},
	}
}

func (c *Conn) key() key { return key{c.peer.String(), c.sid} }

// BlockSize returns how many bytes a block carries at most.
func (c *Conn) BlockSize() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.block
}

// Heard returns when the peer last sent a block, or acknowledged one of ours or <open/>; the zero time before. On a slow line
// that is the sign that what was written moves.
func (c *Conn) Heard() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.heard
}

// LocalAddr returns the own end.
func (c *Conn) LocalAddr() net.Addr { return Addr{c.m.link.LocalAddr(), c.sid} }

// RemoteAddr returns the peer's end.
func (c *Conn) RemoteAddr() net.Addr { return Addr{c.peer, c.sid} }

// Read returns what has arrived, as soon as anything has. After all that the peer sent, it returns
// io.EOF if the peer closed the stream, else why it broke.
func (c *Conn) Read(p []byte) (int, error) {
	for {
		c.mu.Lock()
		n, err := c.readLocked(p)
		if n > 0 || err != nil || len(p) == 0 {
			c.mu.Unlock()
			return n, err
		}
		readable := c.readable.wait()
		c.mu.Unlock()
		<-readable
	}
}

func (c *Conn) readLocked(p []byte) (int, error) {
	switch {
	case c.closing:
		return 0, net.ErrClosed
	case c.readBy.passed():
		return 0, os.ErrDeadlineExceeded
	case len(p) == 0:
		return 0, nil
	case c.in.Len() > 0:
		n, _ := c.in.Read(p)
		c.release()
		return n, nil
	}
	return 0, c.readErr
}

// Write sends p as far as the window allows, and queues the rest, waiting for room. As with TCP, success means that it will be
// sent, not that it has arrived.
func (c *Conn) Write(p []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	for written := 0; ; {
		c.mu.Lock()
		n, err := c.writeLocked(p[written:])
		if written += n; err != nil || written == len(p) {
			c.mu.Unlock()
			return written, err
		}
		var writable <-chan struct{}
		if n == 0 {
			writable = c.writable.wait()
		}
		c.mu.Unlock()
		if n == 0 {
			<-writable
		}
	}
}

func (c *Conn) writeLocked(p []byte) (int, error) {
	switch {
	case c.closing:
		return 0, net.ErrClosed
	case c.writeErr != nil:
		return 0, c.writeErr
	case c.writeBy.passed():
		return 0, os.ErrDeadlineExceeded
	}
	n := min(len(p), sendBlocks*c.block-len(c.out))
	c.out = append(c.out, p[:n]...)
	c.advance()
	return n, nil
}

// Close sends what was written and <close/>, and waits until the peer has acknowledged it,
// at most for Config.Linger. Reads and writes fail at once.
func (c *Conn) Close() error {
	c.mu.Lock()
	first := !c.closing
	c.closing = true
	c.readBy.stop()
	c.writeBy.stop()
	c.broadcast()
	c.release()
	c.mu.Unlock()
	c.rouse()
	if first {
		limit := time.AfterFunc(c.m.cfg.Linger, c.cancel)
		defer limit.Stop()
	}
	<-c.finished
	return nil
}

// Abort ends the stream at once and tells the peer nothing: for when the Jingle session has
// ended. What has arrived can still be read; then, and for writes, comes err.
func (c *Conn) Abort(err error) {
	c.mu.Lock()
	c.fail(err)
	c.mu.Unlock()
	c.cancel()
}

// fail ends both directions, for what was not ended before. The caller holds mu.
func (c *Conn) fail(err error) {
	if c.readErr == nil {
		c.readErr = err
	}
	if c.writeErr == nil {
		c.writeErr = err
	}
	c.broadcast()
	c.rouse()
}

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closing {
		c.readBy.set(t, &c.mu, &c.readable)
		c.writeBy.set(t, &c.mu, &c.writable)
	}
	return c.closedErr()
}

// SetReadDeadline sets the time after which Read fails, also one that is under way.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closing {
		c.readBy.set(t, &c.mu, &c.readable)
	}
	return c.closedErr()
}

// SetWriteDeadline sets the time after which Write fails, also one that is under way. The
// stream lives on: what such a Write has queued is sent.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closing {
		c.writeBy.set(t, &c.mu, &c.writable)
	}
	return c.closedErr()
}

func (c *Conn) closedErr() error {
	if c.closing {
		return net.ErrClosed
	}
	return nil
}

// broadcast wakes whoever waits in Read or Write. The caller holds mu.
func (c *Conn) broadcast() {
	c.readable.give()
	c.writable.give()
}

// rouse wakes the keeper.
func (c *Conn) rouse() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

var _ net.Conn = (*Conn)(nil)
