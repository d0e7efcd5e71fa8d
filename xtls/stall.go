package xtls

import (
	"context"
	"errors"
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

var errStalled = errors.New("xtls: no progress in the handshake")

// stallConn cancels a handshake when the peer has kept it waiting for stallTimeout, or when it has taken totalTimeout. The time in
// which this side computes, or waits for its turn to, is not the peer's.
type stallConn struct {
	net.Conn
	limit   time.Duration
	stalled func()
	off     atomic.Bool
}

// watch returns conn and a context for a handshake on it. stop ends the watching; after it
// the conn is as it was.
func watch(ctx context.Context, conn net.Conn, stall time.Duration) (watched *stallConn, hs context.Context, stop func()) {
	hs, cancel := context.WithTimeoutCause(ctx, totalTimeout, errStalled)
	hs, cancelCause := context.WithCancelCause(hs)
	watched = &stallConn{Conn: conn, limit: stall, stalled: func() { cancelCause(errStalled) }}
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
	timer := time.AfterFunc(c.limit, c.stalled)
	return func() { timer.Stop() }
}
