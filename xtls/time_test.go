package xtls_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/linktest"
	"xtls-agent/xtls"
	"xtls-agent/xtls/jingle"
	"xtls-agent/xtls/tlssrp"
)

// within checks that something took about as long as a rule says; closing a bytestream to a peer that does not answer
// takes some seconds more.
func within(t *testing.T, start time.Time, want time.Duration) {
	t.Helper()
	if took := time.Since(start); took < want || took > want+16*time.Second {
		t.Errorf("it took %v, want %v", took, want)
	}
}

// ends waits, without a limit, until the rogue's session has ended with security-error.
func (r *rogue) ends() {
	r.t.Helper()
	if j := <-r.got; j.Action != jingle.SessionTerminate || !strings.HasSuffix(<-r.xml, "><reason><security-error/></reason></jingle>") {
		r.t.Errorf("the peer was told %s", j.Element())
	}
}

// DESIGN §4: without progress for 10 s a handshake is ended, wherever it stands; a slow line makes progress, for 60 s in
// all. The seconds are of a fake clock.
func TestHandshakeThatStalls(t *testing.T) {
	for name, tt := range map[string]struct {
		send  string        // after the transport opened, a byte at a time
		every time.Duration // between them
		want  time.Duration
	}{
		"one byte":                 {"\x16", 0, 10 * time.Second},
		"half a hello":             {"\x16\x03\x01\x02\x00\x01", time.Second, 15 * time.Second},
		"a byte now and then":      {"\x16\x03\x01\x02\x00" + strings.Repeat("\x01", 99), 9 * time.Second, 60 * time.Second},
		"slower than 10 s":         {"\x16\x03\x01\x02\x00\x01", 11 * time.Second, 10 * time.Second},
		"a hello, then slow bytes": {hello + strings.Repeat("\x16", 99), 9 * time.Second, 60 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, r := visited(t, openWindow())
				conn := r.transportFor("x509")
				start := time.Now()
				var wg sync.WaitGroup
				wg.Go(func() {
					for i := range len(tt.send) {
						if _, err := io.WriteString(conn, tt.send[i:i+1]); err != nil {
							return
						}
						time.Sleep(tt.every)
					}
				})
				r.ends()
				within(t, start, tt.want)
				_ = conn.Close()
				wg.Wait()
			})
		})
	}
}

// hello is the head of a record that is begun.
const hello = "\x16\x03\x01\x01\x00"

// slow delivers what is written in small pieces.
type slow struct {
	net.Conn
	every time.Duration
}

func (c *slow) Write(p []byte) (int, error) {
	for n := 0; n < len(p); n += 200 {
		time.Sleep(c.every)
		if _, err := c.Conn.Write(p[n:min(n+200, len(p))]); err != nil {
			return n, err
		}
	}
	return len(p), nil
}

// A line that makes progress passes, though it takes far longer than 10 s.
func TestSlowLinePasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, r := visited(t, openWindow())
		start := time.Now()
		conn := tlssrp.Client(&slow{r.transportFor("srp"), 5 * time.Second}, srpOf(testPIN))
		if err := conn.Handshake(); err != nil {
			t.Fatal(err)
		}
		if time.Since(start) < 20*time.Second {
			t.Errorf("it was not slow: %v", time.Since(start))
		}
		echo(t, conn, "x")
		_ = conn.Close()
	})
}

// DESIGN §5: time for each step is bounded: a peer that vanishes after one leaves nothing behind. With srp a person
// types between the accept and the transport, at most as long as the longest window.
func TestPeerVanishes(t *testing.T) {
	for name, tt := range map[string]struct {
		method string
		steps  func(r *rogue)
		want   time.Duration
	}{
		"after the accept, x509":        {"x509", func(*rogue) {}, time.Minute},
		"after the accept, srp":         {"srp", func(*rogue) {}, 15 * time.Minute},
		"after security-info, x509":     {"x509", func(r *rogue) { r.must(box, today.info(secured("", "x509"))) }, time.Minute},
		"after the transport, x509":     {"x509", func(r *rogue) { r.transport(today, box) }, time.Minute},
		"after the transport, srp":      {"srp", func(r *rogue) { r.transport(today, box) }, 15 * time.Minute},
		"in the middle of a handshake":  {"srp", func(r *rogue) { r.firstFlight() }, 10 * time.Second},
		"transport closed, session not": {"srp", func(r *rogue) { _ = r.transport(today, box).Close() }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := openWindow()
				_, r := visited(t, w)
				r.must(box, today.offer(secured(sha256Of(r.id), tt.method)))
				r.next(jingle.SessionAccept)
				start := time.Now()
				tt.steps(r)
				r.ends()
				within(t, start, tt.want)
				w.mu.Lock()
				if w.ends < w.starts {
					t.Error("the attempt was not ended")
				}
				w.mu.Unlock()
			})
		})
	}
}

// firstFlight sends a ClientHello by srp and stops there.
func (r *rogue) firstFlight() {
	first := &stops{Conn: r.transport(today, box), after: 1, stopped: make(chan struct{})}
	var wg sync.WaitGroup
	wg.Go(func() { _ = tlssrp.Client(first, srpOf(testPIN)).Handshake() })
	<-first.stopped
	r.t.Cleanup(func() {
		_ = first.Close()
		wg.Wait()
	})
}

// A peer that goes offline ends what it has begun at once, and frees its attempt.
func TestPeerGoesOffline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := openWindow()
		_, r := visited(t, w)
		r.must(box, today.offer(secured("", "srp")))
		r.next(jingle.SessionAccept)
		r.firstFlight()
		start := time.Now()
		if err := r.session.Send(t.Context(), &xmpp.Stanza{Kind: xmpp.Presence, Type: "unavailable", To: box}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		time.Sleep(8 * time.Second)
		within(t, start, 0)
		w.want(t, 1)
	})
}

// A peer that gives up closes its transport, and then the session. What a person reads in the device's log is that it did.
func TestPeerGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		device, r := visited(t, openWindow())
		conn := r.transportFor("x509")
		if _, err := conn.Write([]byte("\x16")); err != nil {
			t.Fatal(err)
		}
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		r.must(box, today.message("session-terminate", "", "<reason><gone/></reason>"))
		synctest.Wait()
		if said := device.log.String(); !strings.Contains(said, "the session ended: ") || !strings.Contains(said, "by the peer") {
			t.Errorf("the device logged %s", said)
		}
	})
}

// The initiator is more patient in a handshake than the responder: a device with many guests computes for them one after
// another.
func TestResponderVanishes(t *testing.T) {
	for name, tt := range map[string]struct {
		pin   string
		steps func(r *rogue, offer *jingle.Jingle)
		want  time.Duration
	}{
		"after the offer":      {"", func(*rogue, *jingle.Jingle) {}, time.Minute},
		"after opening":        {"", func(r *rogue, offer *jingle.Jingle) { r.acceptsTransport(offer, "x509") }, 30 * time.Second},
		"after opening by srp": {testPIN, func(r *rogue, offer *jingle.Jingle) { r.acceptsTransport(offer, "srp") }, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				owner, r := visiting(t)
				done := owner.opens(t, tt.pin)
				start := time.Now()
				tt.steps(r, r.next(jingle.SessionInitiate))
				if o := <-done; o.err == nil {
					t.Error("it opened")
				}
				within(t, start, tt.want)
			})
		})
	}
}

func (r *rogue) acceptsTransport(offer *jingle.Jingle, method string) {
	if _, err := r.ibb.Expect(romeo, offer.Contents[0].Transport.Attr("sid"), 4096); err != nil {
		r.t.Fatal(err)
	}
	r.must(romeo, today.accept(offer, secured(sha256Of(r.id), method)))
}

// Silent strangers in an open window do not take the place of anybody: of one account the newest session is waited
// for, of all of them 128. An owner gets in, and somebody new is waited for.
func TestSilentStrangersTakeNobodysPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		router := linktest.NewRouter()
		device, owner := couple(t, router, openWindow())
		pair(device, owner)
		offer := func(address, sid string) *rogue {
			r := newRogue(t, router, address)
			r.must(box, strings.Replace(anonymous(secured("", "srp")), "'s1'", "'"+sid+"'", 1))
			r.next(jingle.SessionAccept)
			return r
		}
		var all []*rogue
		for i := range 500 { // more than Jingle and the bytestreams keep
			all = append(all, offer(fmt.Sprintf("eve%d@home.example/x", i), "s1"))
		}
		waiting := 0
		synctest.Wait()
		for _, r := range all {
			if len(r.got) == 0 {
				waiting++
			} else {
				wantDeclined(t, r.next(jingle.SessionTerminate), "too-many")
			}
		}
		if waiting != 128 {
			t.Errorf("%d are waited for", waiting)
		}
		before := offer("mallory@home.example/1", "s1")
		offer("mallory@home.example/2", "s2")
		wantDeclined(t, before.next(jingle.SessionTerminate), "too-many")

		c, err := owner.end.OpenX509(t.Context(), box)
		if err != nil {
			t.Fatal(err)
		}
		echo(t, c, "hello")
		_ = c.Close()
		p, err := owner.end.OpenSRP(t.Context(), box, pinOf(testPIN))
		if err != nil {
			t.Fatal(err)
		}
		_ = p.Close()
	})
}

// A user who gives up is not kept waiting, and the peer hears of it.
func TestInitiatorIsCancelled(t *testing.T) {
	owner, r := visiting(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := owner.end.OpenSRP(ctx, box, xtls.PIN{Ask: func(ctx context.Context) (string, error) {
			cancel()
			<-ctx.Done()
			return "", ctx.Err()
		}})
		done <- err
	}()
	r.must(romeo, today.accept(r.next(jingle.SessionInitiate), secured("", "srp")))
	if j := r.next(jingle.SessionTerminate); j.Reason.Condition != jingle.Cancel {
		t.Errorf("the peer was told %s", j.Element())
	}
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A peer that ends the session while a person types ends the prompt, and the person reads why.
func TestPromptEndsWithTheSession(t *testing.T) {
	owner, r := visiting(t)
	asked, done := make(chan struct{}), make(chan error, 1)
	go func() {
		_, err := owner.end.OpenSRP(context.Background(), box, xtls.PIN{Ask: func(ctx context.Context) (string, error) {
			close(asked)
			<-ctx.Done()
			return "", ctx.Err()
		}})
		done <- err
	}()
	offer := r.next(jingle.SessionInitiate)
	r.must(romeo, today.accept(offer, secured("", "srp")))
	<-asked
	r.must(romeo, strings.Replace(today.message("session-terminate", "",
		"<reason><decline/><not-pairing xmlns='urn:xtls-agent:pairing:0'/></reason>"), "'s1'", "'"+offer.SID+"'", 1))
	if err := <-done; !errors.Is(err, xtls.ErrNotPairing) {
		t.Error(err)
	}
}
