package xtls_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"os"
	"slices"
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

// open opens a connection by the method.
func (s *side) open(t *testing.T, m xtls.Method) *xtls.Conn {
	t.Helper()
	var c *xtls.Conn
	var err error
	if m == xtls.X509 {
		c, err = s.end.OpenX509(context.Background(), box)
	} else {
		c, err = s.end.OpenSRP(context.Background(), box, pinOf(testPIN))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

var bothMethods = []xtls.Method{xtls.X509, xtls.SRP}

// log keeps what a party sends over a server: names of elements, and of Jingle the action.
type log struct {
	from string
	mu   sync.Mutex // guards sent
	sent []string
}

func (l *log) see(st *xmpp.Stanza) []*xmpp.Stanza {
	if st.IsRequest() && st.From.String() == l.from {
		l.mu.Lock()
		defer l.mu.Unlock()
		name := st.Payload[0].Name.Local
		if name == "jingle" {
			name = st.Payload[0].Attr("action")
			if reason := st.Payload[0].Child(jingle.NS, "reason"); reason != nil {
				name += " " + reason.String()
			}
		}
		l.sent = append(l.sent, name)
	}
	return []*xmpp.Stanza{st}
}

// DESIGN §2: closing goes outward, TLS, transport, Jingle; each layer closes what it was given, once. What a peer said
// wrong after its proof is a security-error, and nothing more.
func TestCloseGoesOutwardOnce(t *testing.T) {
	reason := func(condition string) string {
		return "session-terminate <reason xmlns='urn:xmpp:jingle:1'><" + condition + "/></reason>"
	}
	for want, end := range map[string]func(*xtls.Conn) error{
		reason("success"): (*xtls.Conn).Close, reason("security-error"): (*xtls.Conn).Fail,
	} {
		for _, m := range bothMethods {
			l := &log{from: ownerJID}
			router := linktest.NewRouter()
			router.Tamper = l.see
			device, owner := newQuiet(t, router, openWindow()), newSide(t, router, ownerJID, nil)
			pair(device, owner)
			c := owner.open(t, m)
			<-device.conns
			l.mu.Lock()
			l.sent = nil
			l.mu.Unlock()
			if err := end(c); err != nil {
				t.Error(err)
			}
			var wg sync.WaitGroup
			wg.Go(func() { _ = c.Fail() })
			wg.Go(func() { _ = c.Close() })
			wg.Wait()
			owner.end.Close()
			if l.mu.Lock(); !slices.Equal(l.sent, []string{"data", "close", want}) {
				t.Errorf("%s: %q", m, l.sent)
			}
			l.mu.Unlock()
			if _, err := c.Write([]byte("x")); err == nil {
				t.Error("it takes writes after Close")
			}
		}
	}
}

// What a peer sent before it ended the session can still be read, however late; then comes io.EOF, since it closed in good order.
func TestLastWordsCanBeRead(t *testing.T) {
	for _, m := range bothMethods {
		synctest.Test(t, func(t *testing.T) {
			device, owner := couple(t, linktest.NewRouter(), openWindow())
			pair(device, owner)
			c := owner.open(t, m)
			text := bytes.Repeat([]byte("bye "), 5000)
			d := <-device.conns
			if _, err := d.Write(text); err != nil {
				t.Fatal(err)
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Minute)
			if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, text) {
				t.Errorf("%s: read %d bytes, %v", m, len(got), err)
			}
		})
	}
}

// DESIGN §2: an end without close_notify is io.ErrUnexpectedEOF, by x509 too, where crypto/tls says io.EOF by itself.
func TestPeerThatVanishesIsNoEnd(t *testing.T) {
	for name, leave := range map[string]func(r *rogue, conn io.Closer){
		"offline": func(r *rogue, _ io.Closer) {
			_ = r.session.Send(context.Background(), &xmpp.Stanza{Kind: xmpp.Presence, Type: "unavailable", To: box})
		},
		"terminates, TLS open": func(r *rogue, _ io.Closer) {
			r.must(box, today.message("session-terminate", "", "<reason><success/></reason>"))
		},
		"closes the transport, TLS open": func(_ *rogue, conn io.Closer) { _ = conn.Close() },
	} {
		for _, m := range bothMethods {
			t.Run(name+" "+string(m), func(t *testing.T) {
				router := linktest.NewRouter()
				device := newQuiet(t, router, openWindow())
				r := newRogue(t, router, ownerJID)
				device.pins.add(romeo.Bare().String(), r.id.DER())
				r.must(box, today.offer(secured(sha256Of(r.id), "x509", "srp")))
				r.next(jingle.SessionAccept)
				conn := r.transport(today, box)
				var err error
				if m == xtls.SRP {
					err = tlssrp.Client(conn, srpOf(testPIN)).Handshake()
				} else {
					err = tls.Client(conn, r.tls13()).Handshake()
				}
				if err != nil {
					t.Fatal(err)
				}
				c := <-device.conns
				leave(r, conn)
				_ = c.SetReadDeadline(time.Now().Add(patience))
				if _, err := c.Read(make([]byte, 1)); err != io.ErrUnexpectedEOF {
					t.Errorf("read: %v", err)
				}
			})
		}
	}
}

// The context of Serve ends with the session, with a moment for what is still to be read.
func TestServeEndsWithTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		router := linktest.NewRouter()
		device, owner := newQuiet(t, router, nil), newSide(t, router, ownerJID, nil)
		pair(device, owner)
		c := owner.open(t, xtls.X509)
		<-device.conns
		_ = c.Close()
		start := time.Now()
		select {
		case <-device.served:
		case <-time.After(time.Minute):
			t.Fatal("Serve goes on")
		}
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("after %v", took)
		}
	})
}

// Endpoint.Close ends what is open, opening and waited for, and waits for those who serve; again it does nothing.
func TestEndpointClose(t *testing.T) {
	router := linktest.NewRouter()
	device, owner := couple(t, router, openWindow())
	pair(device, owner)
	c := owner.open(t, xtls.X509)
	echo(t, c, "hello")
	stranger := newRogue(t, router, "eve@home.example/x")
	stranger.must(box, anonymous(secured("", "srp")))
	stranger.next(jingle.SessionAccept)
	device.end.Close()
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("the connection lives")
	}
	stranger.next(jingle.SessionTerminate)
	device.end.Close()
	owner.end.Close() // while c was not closed
	if _, err := owner.end.OpenX509(t.Context(), box); err == nil {
		t.Error("a closed endpoint opens connections")
	}
}

// Sessions of one peer, and of both methods, do not disturb each other.
func TestConcurrentSessions(t *testing.T) {
	device, owner := couple(t, linktest.NewRouter(), openWindow())
	pair(device, owner)
	var wg sync.WaitGroup
	for i := range 6 {
		method := xtls.X509
		if i == 0 { // of those who have only a PIN to show one an account is waited for
			method = xtls.SRP
		}
		wg.Go(func() {
			c := owner.open(t, method)
			text := strings.Repeat(string(rune('a'+i)), 40000)
			var in sync.WaitGroup
			in.Go(func() {
				got := make([]byte, len(text))
				if _, err := io.ReadFull(c, got); err != nil || string(got) != text {
					t.Errorf("session %d: %v", i, err)
				}
			})
			if _, err := io.WriteString(c, text); err != nil {
				t.Error(err)
			}
			in.Wait()
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// DESIGN §5: unbounded anything: a side that does not read stops the one that writes; what lies between is bounded.
func TestStalledSessionHoldsLittle(t *testing.T) {
	router := linktest.NewRouter()
	device, owner := newQuiet(t, router, nil), newSide(t, router, ownerJID, nil)
	pair(device, owner)
	c := owner.open(t, xtls.X509)
	<-device.conns
	_ = c.SetWriteDeadline(time.Now().Add(time.Second))
	taken := 0
	for {
		n, err := c.Write(make([]byte, 1<<14))
		if taken += n; err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error(err)
			}
			break
		}
	}
	if taken > 1<<20 {
		t.Errorf("%d bytes were taken", taken)
	}
}
