package tlssrp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// closeNotifyTimeout bounds the time that Close spends on telling the peer.
	closeNotifyTimeout = 5 * time.Second
	// cancelAlertTimeout is the same for a handshake that was cancelled, where somebody waits for us to be gone.
	cancelAlertTimeout = time.Second
)

// aLongTimeAgo is a deadline that has passed.
var aLongTimeAgo = time.Unix(1, 0)

// A Conn is a TLS connection over another net.Conn. Reading and writing may go on at the same time, from several goroutines each.
type Conn struct {
	conn     net.Conn
	config   *Config
	isClient bool

	handshakeMu  sync.Mutex // held while a handshake runs; guards what follows
	handshakeErr error      // the handshake failed, for good
	state        ConnectionState
	complete     atomic.Bool // state is final

	in  inbound
	out outbound

	deadlineMu sync.Mutex // guards cancelled against the setters of deadlines
	cancelled  bool       // a cancelled handshake: deadlines are ours now

	// calls counts the calls of Write that are running, times two, plus one if Close was called.
	calls atomic.Int32
}

// inbound is the reading half.
type inbound struct {
	mu         sync.Mutex // guards all below
	records    recordReader
	protection *protection // nil before ChangeCipherSpec
	pending    *protection // takes effect with the peer's ChangeCipherSpec
	negotiated bool        // the version is known, records must have it
	handshake  bytes.Buffer
	data       []byte // decrypted application data, part of records.buf
	useless    int    // records in a row that brought nothing
	err        error  // why nothing can be read any more
}

// outbound is the writing half.
type outbound struct {
	mu              sync.Mutex // guards all below
	protection      *protection
	buf             []byte // records on their way out
	buffering       bool   // during a flight of the handshake
	closeNotifySent bool
	err             error // why nothing can be written any more
}

// Client returns the client's end of a connection over conn. Nothing happens before the first call of Handshake, Read or Write.
func Client(conn net.Conn, config *Config) *Conn { return newConn(conn, config, true) }

// Server returns the server's end of a connection over conn.
func Server(conn net.Conn, config *Config) *Conn { return newConn(conn, config, false) }

func newConn(conn net.Conn, config *Config, isClient bool) *Conn {
	c := &Conn{conn: conn, config: config, isClient: isClient}
	c.in.records.src = conn
	return c
}

// LocalAddr returns the local address of the transport.
func (c *Conn) LocalAddr() net.Addr { return c.conn.LocalAddr() }

// RemoteAddr returns the remote address of the transport.
func (c *Conn) RemoteAddr() net.Addr { return c.conn.RemoteAddr() }

// NetConn returns the transport. Reading from it or writing to it corrupts the connection.
func (c *Conn) NetConn() net.Conn { return c.conn }

// SetDeadline sets the deadlines of Read and Write. After a Write has timed out the connection is of no use any more: part of a record may
// have gone out. A Read that timed out can be repeated.
func (c *Conn) SetDeadline(t time.Time) error { return c.setDeadline(c.conn.SetDeadline, t) }

// SetReadDeadline sets the deadline of Read.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setDeadline(c.conn.SetReadDeadline, t) }

// SetWriteDeadline sets the deadline of Write; see SetDeadline.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setDeadline(c.conn.SetWriteDeadline, t) }

func (c *Conn) setDeadline(set func(time.Time) error, t time.Time) error {
	c.deadlineMu.Lock()
	defer c.deadlineMu.Unlock()
	if c.cancelled {
		return net.ErrClosed
	}
	return set(t)
}

// ConnectionState returns what is known of the connection; before the handshake is complete that is nothing.
func (c *Conn) ConnectionState() ConnectionState {
	c.handshakeMu.Lock()
	defer c.handshakeMu.Unlock()
	if !c.complete.Load() {
		return ConnectionState{}
	}
	return c.state
}

// Handshake runs the handshake if it has not been run yet. Read and Write call it.
func (c *Conn) Handshake() error { return c.HandshakeContext(context.Background()) }

// HandshakeContext runs the handshake if it has not been run yet. If ctx ends before it does, the handshake ends with ctx's error and the
// transport is closed. Without a deadline in ctx or on the connection a silent peer can hold it for ever.
func (c *Conn) HandshakeContext(ctx context.Context) error {
	if c.complete.Load() {
		return nil
	}
	c.handshakeMu.Lock()
	defer c.handshakeMu.Unlock()
	if c.complete.Load() || c.handshakeErr != nil {
		return c.handshakeErr
	}
	c.in.mu.Lock()
	defer c.in.mu.Unlock()

	c.handshakeErr = c.handshake(ctx)
	return c.handshakeErr
}

// handshake runs the handshake under a guard that ends it with ctx.
func (c *Conn) handshake(ctx context.Context) error {
	if err := c.config.check(c.isClient); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("tlssrp: handshake: %w", err)
	}
	// Steps of the handshake that block do so on the transport, or in a callback that has ctx.
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		c.interrupt()
	})
	err := c.runHandshake(ctx)
	if ctx.Err() == nil {
		c.sendAlertFor(err) // still under the guard: the peer may not be reading
	}
	if !stop() {
		<-interrupted
		c.abandon(err)
		return cancelled(ctx, err)
	}
	if err == nil {
		c.complete.Store(true)
	}
	return err
}

// cancelled is the error of a handshake whose ctx ended. What else went wrong before, perhaps a wrong password, stays visible.
func cancelled(ctx context.Context, err error) error {
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("%w (%w)", err, context.Cause(ctx))
	}
	if cause := context.Cause(ctx); cause != ctx.Err() {
		return fmt.Errorf("tlssrp: handshake: %w: %w", ctx.Err(), cause)
	}
	return fmt.Errorf("tlssrp: handshake: %w", ctx.Err())
}

func (c *Conn) runHandshake(ctx context.Context) error {
	var err error
	var state ConnectionState
	if c.isClient {
		state, err = clientHandshake(ctx, c)
	} else {
		state, err = serverHandshake(ctx, c)
	}
	if err != nil {
		return err
	}
	c.state = state
	return nil
}

// interrupt wakes a handshake that waits for the peer.
func (c *Conn) interrupt() {
	c.deadlineMu.Lock()
	defer c.deadlineMu.Unlock()
	c.cancelled = true
	_ = c.conn.SetDeadline(aLongTimeAgo)
}

// abandon tells the peer of a cancelled handshake, briefly, and closes the transport.
func (c *Conn) abandon(err error) {
	_ = c.conn.SetWriteDeadline(time.Now().Add(cancelAlertTimeout))
	c.sendAlertFor(err)
	_ = c.sendAlert(alertFatal, AlertUserCanceled)
	_ = c.conn.Close()
	c.out.fail(net.ErrClosed)
	c.in.err = net.ErrClosed
}

// Read reads application data and runs the handshake before if need be. io.EOF says that the peer ended its stream with close_notify;
// a transport that ends without one gives io.ErrUnexpectedEOF: somebody may have cut it.
func (c *Conn) Read(b []byte) (int, error) {
	if err := c.Handshake(); err != nil {
		return 0, err
	}
	if len(b) == 0 {
		return 0, nil
	}
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	for len(c.in.data) == 0 {
		if err := c.readApplicationData(); err != nil {
			c.sendAlertFor(err)
			return 0, err
		}
	}
	n := copy(b, c.in.data)
	c.in.data = c.in.data[n:]
	return n, nil
}

// Write writes application data and runs the handshake before if need be.
func (c *Conn) Write(b []byte) (int, error) {
	if !c.enterWrite() {
		return 0, net.ErrClosed
	}
	defer c.calls.Add(-2)
	if err := c.Handshake(); err != nil {
		return 0, err
	}
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	if c.out.err == nil && c.out.closeNotifySent {
		return 0, errShutdown
	}
	return c.writeRecords(recordApplicationData, b)
}

var errShutdown = errors.New("tlssrp: write after close_notify")

func (c *Conn) enterWrite() bool {
	for {
		calls := c.calls.Load()
		if calls&1 != 0 {
			return false
		}
		if c.calls.CompareAndSwap(calls, calls+2) {
			return true
		}
	}
}

// CloseWrite ends our stream with close_notify; the peer's can still be read.
func (c *Conn) CloseWrite() error {
	if !c.complete.Load() {
		return errors.New("tlssrp: CloseWrite before the handshake is complete")
	}
	return c.sendCloseNotify()
}

// Close sends close_notify, if it can do so within 5 s, and closes the transport. A Write that is running ends first, with an error.
func (c *Conn) Close() error {
	for {
		calls := c.calls.Load()
		if calls&1 != 0 {
			return net.ErrClosed
		}
		if !c.calls.CompareAndSwap(calls, calls|1) {
			continue
		}
		if calls != 0 {
			// A Write holds the lock that close_notify needs, and the transport may not take what it writes. Cutting it off
			// there is what unblocks it; the stream does not end in order then, and the peer can tell.
			return c.conn.Close()
		}
		break
	}
	var alertErr error
	if c.complete.Load() {
		if err := c.sendCloseNotify(); err != nil {
			alertErr = fmt.Errorf("tlssrp: sending close_notify: %w", err)
		}
	}
	if err := c.conn.Close(); err != nil {
		return err
	}
	return alertErr
}

func (c *Conn) sendCloseNotify() error {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	if c.out.closeNotifySent {
		return nil
	}
	c.out.closeNotifySent = true
	_ = c.SetWriteDeadline(time.Now().Add(closeNotifyTimeout))
	_, err := c.writeRecords(recordAlert, []byte{alertWarning, byte(AlertCloseNotify)})
	// Writing is over: a deadline in the past keeps anybody from writing to the transport.
	_ = c.SetWriteDeadline(aLongTimeAgo)
	return err
}

var _ net.Conn = (*Conn)(nil)
