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
// which this side computes, or waits for its turn to, is not the peer's.
type stallConn struct {
	net.Conn
	limit   time.Duration
	heard   func() time.Time
	stalled func()
	off     atomic.Bool
}

// watch returns conn and a context for a handshake on it. stop ends the watching; after it
// the conn is as it was. heard tells when the peer last gave a sign: what was written may take long to reach it, and its
// acknowledgement is progress.
func watch(ctx context.Context, conn net.Conn, stall time.Duration, heard func() time.Time) (watched *stallConn, hs context.Context, stop func()) {
	hs, cancel := context.WithTimeoutCause(ctx, totalTimeout, ErrStalled)
	hs, cancelCause := context.WithCancelCause(hs)
	watched = &stallConn{Conn: conn, limit: stall, heard: heard, stalled: func() { cancelCause(ErrStalled) }}
	return watched, hs, func() {
		watched.off.Store(true)
		cancelCause(nil)
		cancel()
	}
}

func (c *stallConn) Read(p []byte) (int, error) {
	defer c.waiting()()
	n, err := c.Conn.Read(p)
	if err == io.EOF { // crypto/tls would take it for the end of TLS (RFC 8446 §6.1)
		err = errCut
	}
	return n, err
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
