package xtls

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/trust"
)

// trusting is a Trust in one certificate, until it is taken back.
type trusting struct {
	pin Fingerprint
	ask func() bool // in the place of whether it is pinned; may be nil
}

func (t *trusting) Known(jid.JID) bool                       { return true }
func (t *trusting) Find(jid.JID, []byte) (Fingerprint, bool) { return t.pin, true }
func (t *trusting) Pinned(_ jid.JID, pin Fingerprint) bool {
	if t.ask != nil {
		return t.ask()
	}
	return pin == t.pin
}

func (t *trusting) check(peer jid.JID, r *resumption) x509Check { return x509Check{peer, t.pin, t, r} }

// wireEnd is an end of a wire on which nobody waits to write.
type wireEnd struct {
	net.Conn // nil
	in       <-chan []byte
	out      chan<- []byte
	rest     []byte
	closing  sync.Once
	written  int // bytes
}

func newWire() (a, b *wireEnd) {
	there, back := make(chan []byte, 64), make(chan []byte, 64)
	return &wireEnd{in: back, out: there}, &wireEnd{in: there, out: back}
}

func (w *wireEnd) Read(p []byte) (int, error) {
	if len(w.rest) == 0 {
		if w.rest = <-w.in; w.rest == nil {
			return 0, io.EOF
		}
	}
	n := copy(p, w.rest)
	w.rest = w.rest[n:]
	return n, nil
}

func (w *wireEnd) Write(p []byte) (int, error) {
	w.written += len(p)
	w.out <- bytes.Clone(p)
	return len(p), nil
}

func (w *wireEnd) Close() error {
	w.closing.Do(func() { close(w.out) })
	return nil
}

func (w *wireEnd) RemoteAddr() net.Addr             { return &net.UnixAddr{Name: "wire"} }
func (w *wireEnd) SetWriteDeadline(time.Time) error { return nil }

// ends are a device and one owner of it, without Jingle between them.
type ends struct {
	t              testing.TB
	device, owner  *trust.Identity
	deviceTickets  Tickets
	ownerTickets   Tickets
	ofOwner        trusting // the device's trust
	ofDevice       trusting // the owner's
	change         func(device, owner *tls.Config)
	deviceRelation relation
	ownerRelation  relation
	sent           [2]int // bytes of the last handshake and its end, by the device and by the owner
}

func newEnds(t testing.TB) *ends {
	t.Helper()
	identity := func(name string) *trust.Identity {
		id, err := trust.NewIdentity(name, time.Now(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	e := &ends{t: t, device: identity("box"), owner: identity("romeo"), change: func(_, _ *tls.Config) {}}
	e.ofOwner.pin, e.ofDevice.pin = Fingerprint(e.owner.Fingerprint()), Fingerprint(e.device.Fingerprint())
	box, romeo := jid.MustParse("box@home.example"), jid.MustParse("romeo@montague.lit")
	e.deviceRelation = relation{box, romeo, e.ofOwner.pin}
	e.ownerRelation = relation{romeo, box, e.ofDevice.pin}
	return e
}

// opens runs a handshake and says whether both resumed, and what either has against it.
func (e *ends) opens() (resumed bool, device, owner error) {
	e.t.Helper()
	ofDevice := &resumption{tickets: &e.deviceTickets, between: e.deviceRelation, round: e.deviceTickets.now()}
	ofOwner := &resumption{tickets: &e.ownerTickets, between: e.ownerRelation, round: e.ownerTickets.now()}
	deviceConfig := x509Config(e.device.Certificate, e.ofOwner.check(e.deviceRelation.peer, ofDevice))
	ownerConfig := x509Config(e.owner.Certificate, e.ofDevice.check(e.ownerRelation.peer, ofOwner))
	e.change(deviceConfig, ownerConfig)
	a, b := newWire()
	server, client := tls.Server(a, deviceConfig), tls.Client(b, ownerConfig)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer a.Close()
		if device = server.Handshake(); device == nil {
			_, device = io.Copy(server, server)
		}
	})
	if owner = client.Handshake(); owner == nil {
		if _, owner = client.Write([]byte("ping")); owner == nil {
			_, owner = io.ReadFull(client, make([]byte, 4)) // a ticket comes before
		}
	}
	_ = client.Close()
	wg.Wait()
	e.sent = [2]int{a.written, b.written}
	resumed = client.ConnectionState().DidResume
	if owner == nil && resumed != server.ConnectionState().DidResume {
		e.t.Errorf("the owner has resumed: %v, the device: %v", resumed, !resumed)
	}
	return resumed, device, owner
}

func (e *ends) wantOpen(resumed bool) {
	e.t.Helper()
	got, device, owner := e.opens()
	if device != nil || owner != nil || got != resumed {
		e.t.Errorf("resumed: %v, the device: %v, the owner: %v", got, device, owner)
	}
}

func (e *ends) wantRefused(by string) {
	e.t.Helper()
	_, device, owner := e.opens()
	if err := map[string]error{"device": device, "owner": owner}[by]; !errors.Is(err, ErrNotAuthentic) {
		e.t.Errorf("the %s says %v", by, err)
	}
	if len(e.deviceTickets.kept) > 0 && by == "device" {
		e.t.Errorf("the device has kept a ticket")
	}
}

func TestResumes(t *testing.T) {
	e := newEnds(t)
	e.wantOpen(false)
	for range 3 {
		e.wantOpen(true)
	}
}

// Resuming does not prolong: a day after the keys were proven they are proven again (RFC 8446 §4.6.1). Either side sees to it.
func TestResumingDoesNotProlong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnds(t)
		start := time.Now()
		e.wantOpen(false)
		time.Sleep(2 * ticketLifetime / 3)
		e.wantOpen(true)
		for name, tickets := range map[string]*Tickets{"device": &e.deviceTickets, "owner": &e.ownerTickets} {
			if len(tickets.kept) != 1 || !tickets.kept[0].proven.Equal(start) {
				t.Errorf("the %s keeps %d tickets, or later ones than of the first handshake", name, len(tickets.kept))
			}
		}
		time.Sleep(2 * ticketLifetime / 3)
		e.wantOpen(false)
		e.wantOpen(true)
	})
}

// DESIGN §3: every check stands where a resumed session meets it too. Here the tickets are still there, and trust is not.
func TestResumedSessionIsVerified(t *testing.T) {
	no, yes := func() bool { return false }, func() bool { return true }
	for name, tc := range map[string]struct {
		change func(*ends)
		by     string
	}{
		"the owner is pinned no more":   {func(e *ends) { e.ofOwner.ask = no }, "device"},
		"the device is pinned no more":  {func(e *ends) { e.ofDevice.ask = no }, "owner"},
		"the owner announces another":   {func(e *ends) { e.ofOwner.pin, e.ofOwner.ask = Fingerprint{1}, yes }, "device"},
		"the device announces another":  {func(e *ends) { e.ofDevice.pin, e.ofDevice.ask = Fingerprint{1}, yes }, "owner"},
		"the device resumes nothing":    {func(e *ends) { e.change = secretly(true) }, "device"},
		"the owner resumes nothing":     {func(e *ends) { e.change = secretly(false) }, "owner"},
		"the device's pin is taken now": {func(e *ends) { e.ofOwner.ask = func() bool { e.deviceTickets.Forget(); return false } }, "device"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnds(t)
			e.wantOpen(false)
			tc.change(e)
			e.wantRefused(tc.by)
		})
	}
}

// secretly returns a change that takes from one side's check that it has tickets: crypto/tls resumes, and the check does not know why.
func secretly(device bool) func(d, o *tls.Config) {
	return func(d, o *tls.Config) {
		cfg := o
		if device {
			cfg = d
		}
		cfg.VerifyConnection = func(cs tls.ConnectionState) error {
			shown := &trusting{pin: sha256.Sum256(cs.PeerCertificates[0].Raw)}
			return shown.check(jid.JID{}, nil).verify(cs)
		}
	}
}

// A removal while a handshake is under way: its session has no ticket, neither in a full handshake nor in a resumed one.
func TestForgottenInTheHandshake(t *testing.T) {
	for name, before := range map[string]int{"full": 0, "resumed": 1} {
		e := newEnds(t)
		for range before {
			e.wantOpen(false)
		}
		e.ofOwner.ask = func() bool { e.deviceTickets.Forget(); return true }
		e.ofDevice.ask = func() bool { e.ownerTickets.Forget(); return true }
		e.wantOpen(before > 0)
		if n, m := len(e.deviceTickets.kept), len(e.ownerTickets.kept); n+m > 0 {
			t.Errorf("%s: %d tickets at the device, %d at the owner", name, n, m)
		}
	}
}

// A ticket that is not known, was used, or is of somebody else, is a full handshake.
func TestStrangeTicketsMeanAFullHandshake(t *testing.T) {
	juliet := jid.MustParse("juliet@capulet.lit")
	for name, change := range map[string]func(*ends){
		"of another key":   func(e *ends) { e.deviceTickets.kept[0].label = []byte("another") },
		"tampered with":    func(e *ends) { e.ownerTickets.kept[0].label[3] ^= 1 },
		"cut":              func(e *ends) { e.ownerTickets.kept[0].label = e.ownerTickets.kept[0].label[:8] },
		"forgotten":        func(e *ends) { e.deviceTickets.Forget() },
		"kept by nobody":   func(e *ends) { e.ownerTickets.Forget() },
		"damaged here":     func(e *ends) { e.ownerTickets.kept[0].state = []byte("x") },
		"damaged there":    func(e *ends) { e.deviceTickets.kept[0].state = []byte("x") },
		"of another name":  func(e *ends) { e.deviceRelation.peer = juliet },
		"to another name":  func(e *ends) { e.ownerRelation.peer = juliet },
		"under another":    func(e *ends) { e.deviceRelation.own = juliet },
		"of another pin":   func(e *ends) { e.deviceRelation.pin = Fingerprint{1} },
		"to another pin":   func(e *ends) { e.ownerRelation.pin = Fingerprint{1} },
		"as somebody else": func(e *ends) { e.ownerRelation.own = juliet },
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnds(t)
			e.wantOpen(false)
			change(e)
			e.wantOpen(false)
		})
	}
}

// A thief who has a ticket, and not the keys that belong to it, gets nowhere; the ticket is used up.
func TestTicketWithoutItsKeys(t *testing.T) {
	e := newEnds(t)
	e.wantOpen(false)
	stolen := e.ownerTickets.kept[0]
	e.ownerTickets.Forget()
	e.wantOpen(false)
	e.ownerTickets.kept[0].label = stolen.label // with the keys of another session
	if _, _, err := e.opens(); err == nil {
		t.Error("it got in")
	}
	if _, ok := e.deviceTickets.named(e.deviceRelation, stolen.label); ok {
		t.Error("the ticket is still good")
	}
}

// Nothing is ever sent in TLS early data.
func TestNoEarlyData(t *testing.T) {
	const preSharedKey, earlyData = 41, 42
	e := newEnds(t)
	var extensions []uint16
	e.change = func(device, _ *tls.Config) {
		device.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			extensions = hello.Extensions
			return nil, nil
		}
		wrap := device.WrapSession
		device.WrapSession = func(cs tls.ConnectionState, s *tls.SessionState) ([]byte, error) {
			if s.EarlyData {
				t.Error("a ticket allows early data")
			}
			return wrap(cs, s)
		}
	}
	for _, resumed := range []bool{false, true} {
		e.wantOpen(resumed)
		has := func(extension uint16) bool {
			for _, x := range extensions {
				if x == extension {
					return true
				}
			}
			return false
		}
		if has(preSharedKey) != resumed || has(earlyData) {
			t.Errorf("resumed: %v; the hello has the extensions %v", resumed, extensions)
		}
	}
}

// The binder is over the whole hello: whoever changes a byte of one that resumes, its ticket's among them, makes it one that does not.
func TestNoByteOfAResumedHelloCanBeChanged(t *testing.T) {
	e := newEnds(t)
	e.wantOpen(false)
	given := e.deviceTickets.kept[0]
	hello := e.firstWords()
	resumes := func(hello []byte) bool {
		e.deviceTickets.kept = []ticket{given}
		ours := &resumption{tickets: &e.deviceTickets, between: e.deviceRelation}
		conn := tls.Server(&written{in: bytes.NewReader(hello)}, x509Config(e.device.Certificate, e.ofOwner.check(e.deviceRelation.peer, ours)))
		if conn.Handshake() == nil {
			t.Error("a hello is a handshake")
		}
		return conn.ConnectionState().DidResume
	}
	if !resumes(hello) {
		t.Fatal("the hello as it was said does not resume")
	}
	const header = 5 // of the record, which TLS does not authenticate here
	for i := header; i < len(hello); i++ {
		hello[i] ^= 1
		if resumes(hello) {
			t.Errorf("with byte %d of %d changed, the hello resumes", i, len(hello))
		}
		hello[i] ^= 1
	}
}

// firstWords returns the owner's hello in a session that he would resume.
func (e *ends) firstWords() []byte {
	ours := &resumption{tickets: &e.ownerTickets, between: e.ownerRelation}
	device, owner := newWire()
	_ = device.Close()
	_ = tls.Client(owner, x509Config(e.owner.Certificate, e.ofDevice.check(e.ownerRelation.peer, ours))).Handshake()
	return <-device.in
}

// BenchmarkHandshake is a handshake of both sides, with 4 bytes each way behind it.
func BenchmarkHandshake(b *testing.B) {
	for name, resumed := range map[string]bool{"full": false, "resumed": true} {
		b.Run(name, func(b *testing.B) {
			e := newEnds(b)
			e.wantOpen(false)
			for b.Loop() {
				if !resumed {
					e.ownerTickets.Forget()
				}
				e.wantOpen(resumed)
			}
			b.ReportMetric(float64(e.sent[0]), "B-by-device")
			b.ReportMetric(float64(e.sent[1]), "B-by-owner")
		})
	}
}
