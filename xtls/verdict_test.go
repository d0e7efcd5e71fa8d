package xtls

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/xtls/jingle"
)

// uncounted is an attempt whose proof cannot be counted.
type uncounted struct{ over chan struct{} }

func (u *uncounted) Password(context.Context) (string, error)        { return "12345679", nil }
func (u *uncounted) Compute(_ context.Context, f func() error) error { return f() }
func (u *uncounted) Proof(bool) error                                { return errors.New("the disk is full") }
func (u *uncounted) Done() <-chan struct{}                           { return u.over }
func (u *uncounted) End()                                            {}

// alertConn has the attempt end while an alert is on its way, and loses what is written when the handshake is cancelled.
type alertConn struct {
	net.Conn
	ends      func()
	cancelled chan struct{}
	cancel    sync.Once
}

func (c *alertConn) SetDeadline(at time.Time) error {
	if !at.IsZero() && at.Before(time.Now()) {
		c.cancel.Do(func() { close(c.cancelled) })
	}
	return c.Conn.SetDeadline(at)
}

func (c *alertConn) Write(p []byte) (int, error) {
	const alert = 21
	if p[0] == alert {
		c.ends()
		select {
		case <-c.cancelled:
			return 0, os.ErrDeadlineExceeded
		case <-time.After(200 * time.Millisecond):
		}
	}
	return c.Conn.Write(p)
}

// DESIGN §4: a proof that could not be counted is answered as a wrong PIN is. That the attempt is over with it must not keep the
// answer from leaving.
func TestVerdictLeavesThoughTheAttemptEnds(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	u := &uncounted{make(chan struct{})}
	conn := &alertConn{Conn: near, ends: sync.OnceFunc(func() { close(u.over) }), cancelled: make(chan struct{})}
	romeo := jid.MustParse("romeo@montague.lit")
	var serving sync.WaitGroup
	serving.Go(func() {
		if _, err := srpServer(t.Context(), conn, romeo, u, u.Password, nil); err == nil {
			t.Error("an uncounted proof was taken")
		}
	})
	_, err := srpClient(t.Context(), far, romeo, "12345679", nil)
	if !errors.Is(err, ErrWrongPIN) {
		t.Errorf("the owner hears %v", err)
	}
	_ = far.Close()
	serving.Wait()
}

// A peer that closed the transport without an alert has given up, on a line that stood still: that is no verdict on who it is. It shows in
// reading, and in writing too.
func TestGivingUpIsNoVerdict(t *testing.T) {
	end := &jingle.EndedError{Reason: &jingle.Reason{Condition: jingle.SecurityError}, ByPeer: true}
	for _, closed := range []error{io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe} {
		if err := endedInTLS(end, SRP, fmt.Errorf("%w: %w", errSessionEnded, closed)); !errors.Is(err, ErrPeerEnded) || errors.Is(err, ErrNotAuthentic) {
			t.Errorf("%v: %v", closed, err)
		}
	}
	if err := endedInTLS(end, SRP, errSessionEnded); !errors.Is(err, ErrNotAuthentic) {
		t.Errorf("the session alone: %v", err)
	}
}
