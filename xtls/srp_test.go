package xtls_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"xtls-agent/xmpp/linktest"
	"xtls-agent/xtls"
	"xtls-agent/xtls/jingle"
	"xtls-agent/xtls/tlssrp"
)

// recorded keeps what was read.
type recorded struct {
	net.Conn
	mu  sync.Mutex // guards got
	got []byte
}

func (c *recorded) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got = append(c.got, p[:n]...)
	return n, err
}

// records lists the TLS records that were read: the type, and of an unencrypted alert what it says.
func (c *recorded) records() (out [][]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for b := c.got; len(b) >= 5; {
		end := min(len(b), 5+int(b[3])<<8+int(b[4]))
		record := b[:1]
		if b[0] == 21 {
			record = b[:end]
		}
		out, b = append(out, record), b[end:]
	}
	return out
}

// DESIGN §3: the SRP user name is the bare JID of the session's from byte for byte. It is checked before
// ServerKeyExchange, at no cost to the PIN: no password is asked for and no proof is counted.
func TestUserNameIsTheBareJID(t *testing.T) {
	for _, name := range []string{
		ownerJID, "juliet@capulet.lit", "Romeo@montague.lit", "romeo@montague.lit ", "romeo", "romeo@montague.lit.", "romeo@montagu\u0435.lit",
	} {
		t.Run(name, func(t *testing.T) {
			w := openWindow()
			_, r := visited(t, w)
			conn := &recorded{Conn: r.transportFor("srp")}
			cfg := srpOf(testPIN)
			cfg.Username = name
			if err := r.provesSRP(tlssrp.Client(conn, cfg)); !errors.Is(err, tlssrp.AlertAccessDenied) {
				t.Errorf("the peer gets %v", err)
			}
			r.wantSecurityError()
			if records := conn.records(); len(records) != 1 || records[0][0] != 21 {
				t.Errorf("it was answered with %x", records)
			}
			w.want(t, 1)
			if w.asked != 0 {
				t.Error("the PIN was asked for")
			}
		})
	}
}

// What a peer sees of its proof: the records that it gets, and how Jingle ends.
func verdict(t *testing.T, pin string, proof error) [][]byte {
	t.Helper()
	w := openWindow()
	w.proof = proof
	device, r := visited(t, w)
	conn := &recorded{Conn: r.transportFor("srp")}
	if err := r.provesSRP(tlssrp.Client(conn, srpOf(pin))); !errors.Is(err, tlssrp.ErrBadPassword) {
		t.Errorf("PIN %s, %v: the peer gets %v", pin, proof, err)
	}
	r.wantSecurityError()
	if len(device.conns) > 0 {
		t.Error("the device serves it")
	}
	w.want(t, 1, pin == testPIN)
	return conn.records()
}

// DESIGN §4: a proof that could not be counted is answered as a wrong PIN is, whatever it was: with the same alert and
// the same reason.
func TestUncountedProofLooksLikeAWrongPIN(t *testing.T) {
	errFull := errors.New("the disk is full")
	want := verdict(t, "48151624", nil)
	for _, pin := range []string{testPIN, "48151624"} {
		if diff := cmp.Diff(want, verdict(t, pin, errFull)); diff != "" {
			t.Errorf("PIN %s: %s", pin, diff)
		}
	}
}

// A wrong PIN is ErrWrongPIN for the initiator always, though the session's end comes right behind the alert.
func TestWrongPINIsToldFromInterference(t *testing.T) {
	router := linktest.NewRouter()
	_, owner := couple(t, router, openWindow())
	for range 10 {
		if _, err := owner.end.OpenSRP(t.Context(), box, pinOf("48151624")); !errors.Is(err, xtls.ErrWrongPIN) {
			t.Fatal(err)
		}
	}
}

// A device that does not know the PIN learns one guess, and the owner hears that the PIN was wrong.
func TestRogueDeviceByPIN(t *testing.T) {
	owner, r := visiting(t)
	done := owner.opens(t, testPIN)
	verifier, err := tlssrp.NewVerifier(tlssrp.Group3072(), nil, romeo.Bare().String(), "00000001")
	if err != nil {
		t.Fatal(err)
	}
	cfg := &tlssrp.Config{GetVerifier: func(_ context.Context, info *tlssrp.ClientHelloInfo) (*tlssrp.Verifier, error) {
		if info.Username != romeo.Bare().String() {
			t.Errorf("user name %q", info.Username)
		}
		return verifier, nil
	}}
	if err := tlssrp.Server(r.takes(secured("", "srp")), cfg).Handshake(); !errors.Is(err, tlssrp.ErrBadPassword) {
		t.Errorf("the device gets %v", err)
	}
	r.wantSecurityError()
	if o := r.result(done); !errors.Is(o.err, xtls.ErrWrongPIN) {
		t.Errorf("the owner hears %v", o.err)
	}
}

// Never another version, never a suite without SRP: a device that has a certificate, even the pinned one, and no PIN
// does not get a session to pair.
func TestInitiatorWantsNothingButSRP(t *testing.T) {
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			owner, r := visiting(t)
			cfg := r.tls13()
			cfg.MinVersion, cfg.MaxVersion = tls.VersionTLS12, version
			done := owner.opens(t, testPIN)
			if err := tls.Server(r.takes(secured(sha256Of(r.id), "srp", "x509")), cfg).Handshake(); err == nil {
				t.Error("the handshake went through")
			}
			r.wantSecurityError()
			if o := r.result(done); o.err == nil || errors.Is(o.err, xtls.ErrWrongPIN) {
				t.Errorf("the owner hears %v", o.err)
			}
		})
	}
}

// A client that offers everything else that TLS has does not get a session by srp.
func TestResponderWantsNothingButSRP(t *testing.T) {
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			w := openWindow()
			device, r := visited(t, w)
			cfg := r.tls13()
			cfg.MinVersion, cfg.MaxVersion = tls.VersionTLS12, version
			if err := r.proves(r.transportFor("srp"), cfg); err == nil {
				t.Error("it got in")
			}
			r.wantSecurityError()
			if len(device.conns) > 0 || w.asked > 0 {
				t.Error("it got further than it may")
			}
			w.want(t, 1)
		})
	}
}

// DESIGN §4: the first Finished takes the PIN, the others end: Attempt.Done ends a handshake that has begun.
func TestAttemptOverEndsTheHandshake(t *testing.T) {
	w := openWindow()
	_, r := visited(t, w)
	conn := r.transportFor("srp")
	first := &stops{Conn: conn, after: 1, stopped: make(chan struct{})}
	var wg sync.WaitGroup
	wg.Go(func() { _ = tlssrp.Client(first, srpOf(testPIN)).Handshake() })
	<-first.stopped // the ServerHello flight is here, our proof is not out
	close(w.over)
	r.wantSecurityError()
	_ = conn.Close()
	wg.Wait()
	w.want(t, 1)
}

// stops keeps back all that is written after some writes.
type stops struct {
	net.Conn
	after   int
	stopped chan struct{}
}

func (c *stops) Write(p []byte) (int, error) {
	if c.after--; c.after >= 0 {
		return c.Conn.Write(p)
	}
	if c.after == -1 {
		close(c.stopped)
	}
	return len(p), nil
}

// ... and a connection that was proven, so that an enrolment ends with its time.
func TestAttemptOverEndsTheConnection(t *testing.T) {
	w := openWindow()
	device, owner := couple(t, linktest.NewRouter(), w)
	c, err := owner.end.OpenSRP(t.Context(), box, pinOf(testPIN))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := <-device.conns; got.Attempt == nil {
		t.Error("no attempt")
	}
	close(w.over)
	_ = c.SetReadDeadline(time.Now().Add(patience))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("read: %v", err)
	}
	device.end.Close()
	w.want(t, 1, true)
}

// A person who typed for too long reads what to do, not that somebody interferes; the window's end is no secret.
func TestWindowThatClosedMeanwhile(t *testing.T) {
	for hint, errGate := range map[string]error{"not-pairing": xtls.ErrNotPairing, "too-many": xtls.ErrTooMany, "locked": xtls.ErrLocked, "": xtls.ErrRefused} {
		w := openWindow()
		w.later = errGate
		router := linktest.NewRouter()
		newSide(t, router, boxJID, w)
		owner, r := newSide(t, router, ownerJID, nil), newRogue(t, router, "romeo@montague.lit/other")
		if _, err := owner.end.OpenSRP(t.Context(), box, pinOf(testPIN)); !errors.Is(err, errGate) {
			t.Errorf("the owner hears %v, want %v", err, errGate)
		}
		r.must(box, anonymous(secured("", "srp")))
		r.next(jingle.SessionAccept)
		_ = tlssrp.Client(r.transport(today, box), srpOf(testPIN)).Handshake()
		wantDeclined(t, r.next(jingle.SessionTerminate), hint)
		w.want(t, 0)
	}
}

// anonymous is an offer without the optional initiator.
func anonymous(security string) string {
	return today.message("session-initiate", "", today.content(security))
}
