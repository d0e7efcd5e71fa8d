package xtls

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// recorder is a conn that keeps what each Write was given.
type recorder struct {
	net.Conn
	mu     sync.Mutex // guards writes
	writes []string
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writes = append(r.writes, string(p))
	return len(p), nil
}

func (r *recorder) Read([]byte) (int, error) { return 0, io.EOF }

func (r *recorder) want(t *testing.T, when string, writes ...string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.writes) != len(writes) {
		t.Fatalf("%s: %q, want %q", when, r.writes, writes)
	}
	for i, w := range writes {
		if r.writes[i] != w {
			t.Errorf("%s: %q, want %q", when, r.writes, writes)
		}
	}
}

func TestFlightsLeaveTogether(t *testing.T) {
	r := new(recorder)
	c := newFlightConn(r)
	_, _ = c.Write([]byte("hello"))
	r.want(t, "before anybody waits")
	_, _ = c.Read(nil)
	r.want(t, "when this side waits", "hello")
	_, _ = c.Write([]byte("cert"))
	_, _ = c.Write([]byte("finished"))
	c.handshakeDone(nil)
	r.want(t, "after the handshake", "hello")
	if n, err := c.Write([]byte("header")); n != 6 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	r.want(t, "with the first words", "hello", "certfinishedheader")
	_, _ = c.Write([]byte("more"))
	r.want(t, "from then on", "hello", "certfinishedheader", "more")
}

// Nobody who says nothing keeps the other side from hearing that the handshake is over.
func TestLastFlightLeavesByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := new(recorder)
		c := newFlightConn(r)
		_, _ = c.Write([]byte("finished"))
		c.handshakeDone(nil)
		time.Sleep(joinTimeout)
		synctest.Wait()
		r.want(t, "after a moment", "finished")
		_, _ = c.Write([]byte("x"))
		r.want(t, "then", "finished", "x")
	})
}

func TestAlertLeavesAtOnce(t *testing.T) {
	r := new(recorder)
	c := newFlightConn(r)
	_, _ = c.Write([]byte("alert"))
	c.handshakeDone(errors.New("bad certificate"))
	r.want(t, "after a failure", "alert")
}

// A server's flight leaves at once; the ticket, of which nothing comes, with what is said first.
func TestTicketLeavesWithTheFirstWords(t *testing.T) {
	r := new(recorder)
	c := newTicketConn(r)
	_, _ = c.Write([]byte("flight"))
	r.want(t, "in the handshake", "flight")
	c.hold()
	_, _ = c.Write([]byte("ticket"))
	_, _ = c.Read(nil)
	c.handshakeDone(nil)
	_, _ = c.Read(nil)
	r.want(t, "while this side waits", "flight")
	_, _ = c.Write([]byte("header"))
	_, _ = c.Write([]byte("more"))
	r.want(t, "with the first words", "flight", "ticketheader", "more")
}

// It waits for nobody: a handshake that does not go on, and who says nothing, do not keep it.
func TestTicketLeavesByItself(t *testing.T) {
	for name, done := range map[string]bool{"in the handshake": false, "after it": true} {
		synctest.Test(t, func(t *testing.T) {
			r := new(recorder)
			c := newTicketConn(r)
			c.hold()
			_, _ = c.Write([]byte("ticket"))
			if done {
				c.handshakeDone(nil)
			}
			time.Sleep(joinTimeout)
			synctest.Wait()
			r.want(t, name, "ticket")
		})
	}
}

// What could not leave is a hole in TLS: nothing is sent behind it, whoever sent it.
func TestNothingFollowsWhatIsLost(t *testing.T) {
	r := new(recorder)
	jam := errors.New("the line stands still")
	c := newTicketConn(&jammed{Conn: r, err: jam})
	c.hold()
	_, _ = c.Write([]byte("ticket"))
	if err := c.flush(); !errors.Is(err, jam) {
		t.Fatal(err)
	}
	c.handshakeDone(nil)
	if n, err := c.Write([]byte("header")); n != 0 || !errors.Is(err, jam) {
		t.Errorf("%d, %v", n, err)
	}
	r.want(t, "behind it")
}

// jammed is a conn whose first write fails.
type jammed struct {
	net.Conn
	err error
}

func (j *jammed) Write(p []byte) (n int, err error) {
	if err, j.err = j.err, nil; err != nil {
		return 0, err
	}
	return j.Conn.Write(p)
}
