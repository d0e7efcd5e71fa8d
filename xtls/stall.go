package xtls

import (
	"context"
	"errors"
	"io"
	"net"
	"time"
)

// How long a handshake may take (DESIGN: the rules of pairing): a slow line makes progress.
const (
	stallTimeout = 10 * time.Second
	totalTimeout = 60 * time.Second
)

var errStalled = errors.New("xtls: no progress in the handshake")

// stallConn cancels a handshake when nothing has come or gone for stallTimeout, or when
// it has taken totalTimeout.
type stallConn struct {
	net.Conn
	stall *time.Timer
}

// watch returns conn and a context for a handshake on it. stop ends the watching; after it
// the conn is as it was.
func watch(ctx context.Context, conn net.Conn) (watched *stallConn, hs context.Context, stop func()) {
	hs, cancel := context.WithTimeoutCause(ctx, totalTimeout, errStalled)
	hs, cancelCause := context.WithCancelCause(hs)
	watched = &stallConn{Conn: conn, stall: time.AfterFunc(stallTimeout, func() { cancelCause(errStalled) })}
	return watched, hs, func() {
		watched.stall.Stop()
		cancelCause(nil)
		cancel()
	}
}

func (c *stallConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.progress(n)
	if err == io.EOF { // crypto/tls would take it for the end of TLS (RFC 8446 §6.1)
		err = errCut
	}
	return n, err
}

func (c *stallConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.progress(n)
	return n, err
}

// progress pushes the stall out, unless it has been stopped or has fired.
func (c *stallConn) progress(n int) {
	if n > 0 && c.stall.Stop() {
		c.stall.Reset(stallTimeout)
	}
}
