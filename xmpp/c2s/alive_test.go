package c2s_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"xtls-agent/xmpp/c2s"
)

// A server that is heard no more is dead after a while, and its stream is asked for on another connection.
func TestDeadConnection(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	l, err := h.dial(t, inTurn(
		func(f *fake) { f.managed("id='stream1' resume='true'"); f.idle() },
		func(f *fake) {
			f.asked()
			f.raw("<resumed xmlns='" + nsSM + "' previd='stream1' h='0'/><message id='back'/>")
			f.idle()
		}), func(cfg *c2s.Config) { cfg.Idle, cfg.AckTimeout = 50*time.Millisecond, 100*time.Millisecond })
	if err != nil {
		t.Fatal(err)
	}
	var why error
	l.Notify(func(c c2s.Change) {
		if c.Resuming {
			why = c.Err
		}
	})
	if st, err := l.ReadStanza(); err != nil || st.ID != "back" {
		t.Errorf("%v, %v", st, err)
	}
	wantIs(t, why, c2s.ErrDead)
}

// A link that nothing happens on sleeps long, and yet finds out in time that what it then writes is not heard.
func TestDeadConnectionAfterSilence(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	l, err := h.dial(t, inTurn(
		func(f *fake) { f.managed("id='stream1' resume='true'"); f.idle() },
		func(f *fake) {
			f.asked()
			f.raw("<resumed xmlns='" + nsSM + "' previd='stream1' h='1'/>")
			for f.read().Is(nsSM, "r") { // until there is something to acknowledge
				f.raw(fmt.Sprintf("<a xmlns='%s' h='1'/>", nsSM))
			}
			f.idle()
		},
		func(f *fake) {
			f.asked()
			f.raw("<resumed xmlns='" + nsSM + "' previd='stream1' h='2'/><message id='back'/>")
			f.idle()
		}), func(cfg *c2s.Config) { cfg.Idle, cfg.AckTimeout = time.Hour, 100*time.Millisecond })
	if err != nil {
		t.Fatal(err)
	}
	resumed := make(chan bool, 2)
	l.Notify(func(c c2s.Change) {
		if !c.Resuming {
			resumed <- true
		}
	})
	for range 2 { // on a new stream, and on one that was resumed
		time.Sleep(300 * time.Millisecond)
		send(t, l, "a")
		<-resumed
	}
	if st, err := l.ReadStanza(); err != nil || st.ID != "back" {
		t.Errorf("%v, %v", st, err)
	}
}

// What a server sent may be lost with the connection, and who waits for it says nothing: soon after there was traffic the server is asked
// for a sign of life, long before it would be on an idle link, and then less and less often.
func TestSilenceAfterTraffic(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	var asked []time.Time
	l, err := h.dial(t, inTurn(
		func(f *fake) {
			f.managed("id='stream1' resume='true'")
			f.stanza()
			f.raw(fmt.Sprintf("<a xmlns='%s' h='1'/>", nsSM)) // all has arrived; the answer will not
			for range 4 {
				if el := f.read(); !el.Is(nsSM, "r") {
					t.Errorf("it says %v", el)
				}
				asked = append(asked, time.Now())
				if len(asked) < 4 {
					f.raw(fmt.Sprintf("<a xmlns='%s' h='1'/>", nsSM))
				}
			}
			f.idle()
		},
		func(f *fake) {
			f.asked()
			f.raw("<resumed xmlns='" + nsSM + "' previd='stream1' h='1'/><message id='answer'/>")
			f.idle()
		}), func(cfg *c2s.Config) { cfg.AckTimeout = 400 * time.Millisecond })
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	send(t, l, "question")
	if st, err := l.ReadStanza(); err != nil || st.ID != "answer" || time.Since(start) > 20*time.Second {
		t.Fatalf("%v, %v after %v", st, err, time.Since(start))
	}
	if first, last := asked[2].Sub(asked[1]), asked[3].Sub(asked[2]); last < first*3/2 {
		t.Errorf("asked after %v, and then after %v", first, last)
	}
}

// A server that resumes a stream and then hears nothing on it any more is asked for a new one after a while.
func TestNumbServer(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	numb := func(f *fake) {
		f.asked()
		f.raw("<resumed xmlns='" + nsSM + "' previd='stream1' h='0'/>")
		f.idle()
	}
	l, err := h.dial(t, inTurn(
		func(f *fake) { f.managed("id='stream1' resume='true'"); f.stanza() },
		numb, numb, numb, func(f *fake) { f.managed("id='stream2' resume='true'"); f.idle() },
	), func(cfg *c2s.Config) {
		cfg.Idle, cfg.AckTimeout, cfg.Jitter = 50*time.Millisecond, 50*time.Millisecond, func() float64 { return 0.99 }
	})
	if err != nil {
		t.Fatal(err)
	}
	next := successor(l)
	send(t, l, "a")
	_, err = l.ReadStanza()
	if ids, unhandled := lostIDs(err); ids != "a" || unhandled {
		t.Errorf("lost %q: %v", ids, err)
	}
	_ = (<-next).Close()
}

// The network has changed: a link that has a connection looks whether it stands, and one that waits to try again tries now.
func TestLinkHeedsTheNetwork(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	network := new(c2s.Network)
	asked := make(chan bool, 1)
	var dials atomic.Int32
	l, err := h.dial(t, inTurn(
		func(f *fake) {
			f.managed("id='stream1' resume='true'")
			el := f.read()
			asked <- el.Is(nsSM, "r")
		},
		func(f *fake) {
			f.asked()
			f.raw("<resumed xmlns='" + nsSM + "' previd='stream1' h='0'/><message id='back'/>")
			f.idle()
		}), func(cfg *c2s.Config) {
		cfg.Network = network
		cfg.Jitter = func() float64 { return 0 }
		cfg.Dialer = dialerFunc(func(ctx context.Context, n, addr string) (net.Conn, error) {
			if k := dials.Add(1); k > 1 && k < 7 {
				return nil, io.ErrClosedPipe
			}
			return new(net.Dialer).DialContext(ctx, n, addr)
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	network.Announce()
	if !<-asked {
		t.Error("was not asked for a sign of life")
	}
	start := time.Now() // without a word the tries come 0, 1, 2, 4, 8 and 16 s after each other
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	back := make(chan error, 1)
	go func() {
		_, err := l.ReadStanza()
		back <- err
	}()
	for {
		select {
		case <-tick.C:
			network.Announce()
			continue
		case err := <-back:
			if err != nil || time.Since(start) > 10*time.Second {
				t.Errorf("%v after %v", err, time.Since(start))
			}
		}
		return
	}
}

// An idle link costs less than 1 kB a minute: the bytes of one question and its answer, TLS with them, and of the packets around them.
func TestIdleTraffic(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	var bytes, packets atomic.Int64
	l, err := h.dial(t, func(f *fake) {
		f.managed("id='stream1' resume='true'")
		for {
			switch el := f.read(); {
			case el.Is(nsSM, "a"): // before the end
				return
			case !el.Is(nsSM, "r"):
				t.Errorf("an idle link says %v", el)
			}
			f.raw(fmt.Sprintf("<a xmlns='%s' h='%d'/>", nsSM, 0))
		}
	}, func(cfg *c2s.Config) {
		cfg.Idle, cfg.AckTimeout = 20*time.Millisecond, 300*time.Millisecond
		cfg.Dialer = dialerFunc(func(ctx context.Context, n, addr string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, n, addr)
			return &countingConn{conn, &bytes, &packets}, err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	time.Sleep(200 * time.Millisecond)
	bytes.Store(0)
	packets.Store(0)
	time.Sleep(3 * time.Second)
	const headers = 20 + 32 // of IPv4 and TCP; each packet is acknowledged by another
	exchanges := max(packets.Load()/2, 1)
	if cost := bytes.Load()/exchanges + 4*headers; exchanges < 5 || cost > 1000 {
		t.Errorf("%d exchanges of %d bytes; one is due each minute", exchanges, cost)
	} else {
		t.Logf("%d bytes a minute", cost)
	}
}

type countingConn struct {
	net.Conn
	bytes, packets *atomic.Int64
}

func (c *countingConn) Write(p []byte) (int, error) {
	c.bytes.Add(int64(len(p)))
	c.packets.Add(1)
	return c.Conn.Write(p)
}

func (c *countingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.bytes.Add(int64(n))
	c.packets.Add(1)
	return n, err
}
