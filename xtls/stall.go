package xtls

import (
	"context"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// How long a handshake may take (DESIGN: the rules of pairing): a slow line makes progress.
const (
	stallTimeout = 10 * time.Second
	totalTimeout = 60 * time.Second

	// An initiator is more patient: a device with many guests computes for them one after another.
	initiatorStallTimeout = 30 * time.Second
)

// stallConn cancels a handshake when the peer has kept it waiting for its limit, or when it has taken totalTimeout. The time in
// which this side computes, or waits for its turn to, is not the peer's; that in which a person types is nobody's.
type stallConn struct {
	net.Conn
	limit   time.Duration
	heard   func() time.Time
	stalled func()
	total   *time.Timer // of the handshake
	off     atomic.Bool

	// answered, if set, says that a person at the peer's side has to type before it answers: no limit runs until the first record of
	// a handshake comes, which is told here.
	answered func()
}

// watch returns conn and a context for a handshake on it. stop ends the watching; after it
// the conn is as it was. heard tells when the peer last gave a sign: what was written may take long to reach it, and its
// acknowledgement is progress.
func watch(ctx context.Context, conn net.Conn, stall time.Duration, heard func() time.Time) (watched *stallConn, hs context.Context, stop func()) {
	hs, cancel := context.WithCancelCause(ctx)
	stalled := func() { cancel(ErrStalled) }
	watched = &stallConn{Conn: conn, limit: stall, heard: heard, stalled: stalled, total: time.AfterFunc(totalTimeout, stalled)}
	return watched, hs, func() {
		watched.off.Store(true)
		watched.total.Stop()
		cancel(nil)
	}
}

// suspend puts one limit, on how long a person may take, in the place of all others.
func (c *stallConn) suspend(limit time.Duration) { c.total.Reset(limit) }

// resume says that the person is done. The handshake has the time of any other from here.
func (c *stallConn) resume() { c.total.Reset(totalTimeout) }

// awaitAnswer lets the peer's person take his time; answered is called when he is done.
func (c *stallConn) awaitAnswer(limit time.Duration, answered func()) {
	c.suspend(limit)
	c.answered = answered
}

// recordHandshake is the type of TLS records that carry a handshake (RFC 5246 §6.2.1); an alert is no answer.
const recordHandshake = 22

func (c *stallConn) Read(p []byte) (int, error) {
	if c.answered == nil {
		defer c.waiting()()
	}
	n, err := c.Conn.Read(p)
	if n > 0 && c.answered != nil {
		c.answers(p[0])
	}
	if err == io.EOF { // crypto/tls would take it for the end of TLS (RFC 8446 §6.1)
		err = errCut
	}
	return n, err
}

// answers is called with the type of the first record that comes.
func (c *stallConn) answers(record byte) {
	if record == recordHandshake {
		c.resume()
		c.answered()
	}
	c.answered = nil
}

func (c *stallConn) Write(p []byte) (int, error) {
	defer c.waiting()()
	return c.Conn.Write(p)
}

// waiting times how long the peer takes, until its result is called.
func (c *stallConn) waiting() (over func()) {
	if c.off.Load() {
		return func() {}
	}
	var ended atomic.Bool
	var timer *time.Timer
	timer = time.AfterFunc(totalTimeout, func() {
		silent := time.Since(c.heard())
		switch {
		case ended.Load(): // just now
		case silent < c.limit:
			timer.Reset(c.limit - silent)
		default:
			c.stalled()
		}
	})
	timer.Reset(c.limit) // not before timer is set, which the function reads
	return func() {
		ended.Store(true)
		timer.Stop()
	}
}
