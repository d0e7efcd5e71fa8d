package xtls_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"math/big"
	"sync/atomic"
	"testing"
	"time"

	"xtls-agent/trust"
	"xtls-agent/xtls"
	"xtls-agent/xtls/jingle"
	"xtls-agent/xtls/jingle/ibb"
)

// transportFor takes a session by one method up to the open transport.
func (r *rogue) transportFor(method string) *ibb.Conn {
	r.t.Helper()
	r.must(box, today.offer(secured(sha256Of(r.id), method)))
	r.next(jingle.SessionAccept)
	r.must(box, today.info(secured("", method)))
	return r.transport(today, box)
}

func otherIdentity(t *testing.T) *trust.Identity {
	t.Helper()
	id, err := trust.NewIdentity("other", time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// DESIGN §3, x509: TLS 1.3 only, a client certificate is required, and it is the announced one, even where another is
// pinned for the same account.
func TestResponderRefusesByX509(t *testing.T) {
	for name, change := range map[string]func(device *side, r *rogue, cfg *tls.Config){
		"TLS 1.2": func(_ *side, _ *rogue, cfg *tls.Config) {
			cfg.MinVersion, cfg.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
		},
		"no certificate": func(_ *side, _ *rogue, cfg *tls.Config) { cfg.Certificates = nil },
		"announced is not shown": func(device *side, r *rogue, cfg *tls.Config) {
			id := otherIdentity(r.t)
			device.pins.add(romeo.Bare().String(), id.DER())
			cfg.Certificates = []tls.Certificate{id.Certificate}
		},
		"not pinned any more": func(device *side, _ *rogue, _ *tls.Config) { device.pins.takeBack() },
	} {
		t.Run(name, func(t *testing.T) {
			device, r := visited(t, nil)
			conn, cfg := r.transportFor("x509"), r.tls13()
			change(device, r, cfg)
			if err := r.proves(conn, cfg); err == nil {
				t.Error("it got in")
			}
			r.wantSecurityError()
			if len(device.conns) > 0 {
				t.Error("the device serves it")
			}
		})
	}
}

// The same for the initiator.
func TestInitiatorRefusesByX509(t *testing.T) {
	for name, change := range map[string]func(owner *side, r *rogue, cfg *tls.Config){
		"TLS 1.2": func(_ *side, _ *rogue, cfg *tls.Config) {
			cfg.MinVersion, cfg.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
		},
		"announced is not shown": func(owner *side, r *rogue, cfg *tls.Config) {
			id := otherIdentity(r.t)
			owner.pins.add(box.Bare().String(), id.DER())
			cfg.Certificates = []tls.Certificate{id.Certificate}
		},
		"not pinned any more": func(owner *side, _ *rogue, _ *tls.Config) { owner.pins.takeBack() },
	} {
		t.Run(name, func(t *testing.T) {
			owner, r := visiting(t)
			cfg := r.tls13()
			change(owner, r, cfg)
			done := owner.opens(t, "")
			conn := tls.Server(r.takes(secured(sha256Of(r.id), "x509")), cfg)
			if err := conn.Handshake(); err == nil {
				t.Error("the owner finished the handshake")
			}
			r.wantSecurityError()
			if o := r.result(done); o.err == nil || name != "TLS 1.2" && !errors.Is(o.err, xtls.ErrNotAuthentic) {
				t.Errorf("the owner hears %v", o.err)
			}
		})
	}
}

// jingle-xtls, Basic Protocol: the initiator is the TLS client, and both prove themselves.
func TestInitiatorShowsItsCertificate(t *testing.T) {
	owner, r := visiting(t)
	cfg := r.tls13()
	cfg.ClientAuth = tls.RequireAnyClientCert
	done := owner.opens(t, "")
	conn := tls.Server(r.takes(secured(sha256Of(r.id), "x509")), cfg)
	if err := conn.Handshake(); err != nil {
		t.Fatal(err)
	}
	if o := r.result(done); o.err != nil {
		t.Fatal(o.err)
	}
	if shown := conn.ConnectionState().PeerCertificates; len(shown) == 0 || !shown[0].Equal(leaf(t, owner.id.DER())) {
		t.Error("it showed another certificate than its own")
	}
}

func leaf(t *testing.T, der []byte) *x509.Certificate {
	t.Helper()
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// DESIGN §5: pins ignore validity dates, and names too.
func TestPinsIgnoreDates(t *testing.T) {
	long := 20 * 365 * 24 * time.Hour
	for name, from := range map[string]time.Time{
		"expired": time.Now().Add(-2 * long), "of 1970": time.Unix(0, 0).Add(-long), "not yet valid": time.Now().Add(long),
	} {
		t.Run(name, func(t *testing.T) {
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: from, NotAfter: from.Add(long / 2)}
			der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
			if err != nil {
				t.Fatal(err)
			}
			cert := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
			sum := sha256.Sum256(der)
			print := `<fingerprint>` + hex.EncodeToString(sum[:]) + `</fingerprint>`

			device, r := visited(t, nil)
			device.pins.add(romeo.Bare().String(), der)
			r.must(box, today.offer(secured(print, "x509")))
			r.next(jingle.SessionAccept)
			cfg := r.tls13()
			cfg.Certificates = []tls.Certificate{cert}
			if err := r.proves(r.transport(today, box), cfg); err != nil {
				t.Errorf("the device: %v", err)
			}

			owner, r2 := visiting(t)
			owner.pins.add(box.Bare().String(), der)
			cfg = r.tls13()
			cfg.Certificates = []tls.Certificate{cert}
			done := owner.opens(t, "")
			_ = tls.Server(r2.takes(secured(print, "x509")), cfg).Handshake()
			if o := r2.result(done); o.err != nil {
				t.Errorf("the owner: %v", o.err)
			}
		})
	}
}

// puts counts what a session cache is given.
type puts struct {
	tls.ClientSessionCache
	n atomic.Int32
}

func (p *puts) Put(key string, s *tls.ClientSessionState) {
	p.n.Add(1)
	p.ClientSessionCache.Put(key, s)
}

// A device without tickets gives none: a client that would resume finds nothing to resume.
func TestNoSessionTickets(t *testing.T) {
	cache := &puts{ClientSessionCache: tls.NewLRUClientSessionCache(8)}
	for range 2 {
		device, r := visited(t, nil)
		cfg := r.tls13()
		cfg.ClientSessionCache, cfg.ServerName = cache, "box"
		conn := tls.Client(r.transportFor("x509"), cfg)
		if err := conn.Handshake(); err != nil {
			t.Fatal(err)
		}
		echo(t, conn, "hello")
		if conn.ConnectionState().DidResume {
			t.Error("the session was resumed")
		}
		(<-device.conns).Close()
	}
	if cache.n.Load() > 0 {
		t.Error("the device sends tickets")
	}
}

// An owner without tickets keeps none of a device that gives some: its second session is a full handshake.
func TestInitiatorDoesNotResume(t *testing.T) {
	owner, r := visiting(t)
	cfg := r.tls13()
	for range 2 {
		done := owner.opens(t, "")
		conn := tls.Server(r.takes(secured(sha256Of(r.id), "x509")), cfg)
		if err := conn.Handshake(); err != nil {
			t.Fatal(err)
		}
		if o := r.result(done); o.err != nil {
			t.Fatal(o.err)
		}
		if conn.ConnectionState().DidResume {
			t.Error("the session was resumed")
		}
	}
}
