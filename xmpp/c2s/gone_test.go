package c2s_test

import (
	"context"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"xtls-agent/xmpp/c2s"
)

// A cut is of one client's connection: it is back at once. A server that has gone lets all its clients go: nobody rushes to the other one,
// or to the same one when it is back.
func TestSpread(t *testing.T) {
	t.Parallel()
	const spread = 1200 * time.Millisecond // longer than the server says it keeps the stream
	for name, c := range map[string]struct {
		goes   func(*fake)
		gone   bool // nobody listens any more
		spread time.Duration
		waits  bool
	}{
		"cut":        {goes: func(*fake) {}, spread: time.Minute},
		"gone":       {goes: func(*fake) {}, gone: true, spread: spread, waits: true},
		"shuts down": {goes: shutDown, spread: spread, waits: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			lost, back := make(chan time.Time, 1), make(chan time.Time, 1)
			second := fakeServer(t, h.cert, goesOn(back))
			var first *door
			first = newDoor(t, fakeServer(t, h.cert, inTurn(func(f *fake) {
				f.managed("id='stream1' resume='true' max='1'")
				if c.gone {
					first.shut()
				}
				lost <- time.Now()
				c.goes(f)
			}, goesOn(back))))
			_, err := h.dialTo(t, "", func(cfg *c2s.Config) {
				cfg.Resolver = records{first.addr, second}
				cfg.Spread, cfg.Jitter = c.spread, func() float64 { return 0.99 }
			})
			if err != nil {
				t.Fatal(err)
			}
			took := (<-back).Sub(<-lost)
			if waited := took >= c.spread/2; waited != c.waits {
				t.Errorf("was back after %v of %v", took, c.spread)
			}
		})
	}
}

// A server that stays away is waited for apart from the others once: that does not keep a stream for ever.
func TestGoneForGood(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	var d *door
	d = newDoor(t, fakeServer(t, h.cert, func(f *fake) {
		f.managed("id='stream1' resume='true' max='1'")
		d.shut()
	}))
	l, err := h.dialTo(t, "", func(cfg *c2s.Config) {
		cfg.Resolver = records{d.addr}
		cfg.Spread, cfg.Jitter = time.Second, func() float64 { return 0.99 }
	})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { _, err := l.ReadStanza(); ended <- err }()
	select {
	case err := <-ended:
		wantIs(t, err, io.ErrUnexpectedEOF)
	case <-time.After(15 * time.Second):
		t.Error("looks for the stream still")
	}
}

func shutDown(f *fake) {
	f.raw("<stream:error><system-shutdown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>")
}

// goesOn resumes the stream, and says when it was asked to.
func goesOn(back chan<- time.Time) func(*fake) {
	return func(f *fake) {
		f.asked()
		back <- time.Now()
		f.raw("<resumed xmlns='" + nsSM + "' previd='stream1' h='0'/>")
		f.idle()
	}
}

// records are the SRV records of a domain, in their order.
type records []string

func (r records) LookupSRV(_ context.Context, service, _, _ string) (string, []*net.SRV, error) {
	if service != "xmpp-client" {
		return "", nil, nil
	}
	var out []*net.SRV
	for i, addr := range r {
		host, port, _ := net.SplitHostPort(addr)
		number, _ := strconv.ParseUint(port, 10, 16)
		out = append(out, &net.SRV{Target: host, Port: uint16(number), Priority: uint16(i)})
	}
	return "", out, nil
}

// door is where a server listens, until it is shut.
type door struct {
	addr     string
	listener net.Listener
}

func newDoor(t *testing.T, server string) *door {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var open sync.WaitGroup
	open.Go(func() {
		for {
			outer, err := l.Accept()
			if err != nil {
				return
			}
			open.Go(func() { pass(outer, server) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); open.Wait() })
	return &door{l.Addr().String(), l}
}

func (d *door) shut() { _ = d.listener.Close() }

// pass passes on what is said either way, until one side closes.
func pass(outer net.Conn, server string) {
	defer outer.Close()
	inner, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	var other sync.WaitGroup
	other.Go(func() { _, _ = io.Copy(inner, outer); _ = inner.Close() })
	_, _ = io.Copy(outer, inner)
	_ = outer.Close()
	other.Wait()
}
