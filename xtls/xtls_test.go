package xtls_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"mellium.im/xmpp/jid"

	"xtls-agent/trust"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/linktest"
	"xtls-agent/xtls"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	boxJID   = "box@home.example/tv"
	ownerJID = "romeo@montague.lit/orchard"
	testPIN  = "48151623"
)

// pins is a Trust over a list of certificates.
type pins struct {
	mu    sync.Mutex // guards all below
	ders  map[string][][]byte
	taken bool // back: found, but not pinned any more
}

func (p *pins) add(bare string, der []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ders == nil {
		p.ders = map[string][][]byte{}
	}
	p.ders[bare] = append(p.ders[bare], der)
}

func (p *pins) takeBack() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken = true
}

func (p *pins) Known(peer jid.JID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.ders[peer.String()]) > 0
}

func (p *pins) Find(peer jid.JID, hash []byte) (xtls.Fingerprint, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, der := range p.ders[peer.String()] {
		s1, s256 := sha1.Sum(der), sha256.Sum256(der)
		if string(hash) == string(s1[:]) || string(hash) == string(s256[:]) {
			return s256, true
		}
	}
	return xtls.Fingerprint{}, false
}

func (p *pins) Pinned(peer jid.JID, pin xtls.Fingerprint) bool {
	got, ok := p.Find(peer, pin[:])
	p.mu.Lock()
	defer p.mu.Unlock()
	return ok && got == pin && !p.taken
}

// window is a Gate with one PIN.
type window struct {
	admit error // what Admit and Start say
	later error // what Start says; nil: as admit
	proof error // what Proof says

	mu     sync.Mutex // guards all below
	starts int
	asked  int // for the password
	proofs []bool
	over   chan struct{}
	ends   int
}

func openWindow() *window { return &window{over: make(chan struct{})} }

func (w *window) MayTry(jid.JID) error { return w.admit }
func (w *window) Admit(jid.JID) error  { return w.admit }
func (w *window) Typed() bool          { return false }

func (w *window) Start(jid.JID) (xtls.Attempt, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := cmp.Or(w.later, w.admit); err != nil {
		return nil, err
	}
	w.starts++
	return w, nil
}

func (w *window) Password(context.Context) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	return testPIN, nil
}

func (w *window) Compute(_ context.Context, f func() error) error { return f() }

func (w *window) Done() <-chan struct{} { return w.over }

func (w *window) Proof(ok bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.proofs = append(w.proofs, ok)
	return w.proof
}

// want checks what happened at the gate. Every attempt that was started must end.
func (w *window) want(t *testing.T, starts int, proofs ...bool) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.starts != starts || !slices.Equal(w.proofs, proofs) || w.ends < w.starts {
		t.Errorf("%d attempts, %d ended, proofs %v; want %d, all, %v", w.starts, w.ends, w.proofs, starts, proofs)
	}
}

func (w *window) End() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ends++
}

// side is one party of a test.
type side struct {
	id      *trust.Identity
	pins    *pins
	session *xmpp.Session
	end     *xtls.Endpoint
	conns   chan *xtls.Conn // accepted, proven
	served  chan struct{}   // each that was served to its end
	log     logged
}

// logged is what a side has logged.
type logged struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// newSide returns a party that echoes what comes on the connections that it accepts.
func newSide(t *testing.T, router *linktest.Router, address string, gate xtls.Gate) *side {
	t.Helper()
	return newServing(t, router, address, gate, func(_ context.Context, c *xtls.Conn) { _, _ = io.Copy(c, c) })
}

// newQuiet returns a device that leaves the connections that it accepts alone until their time is up.
func newQuiet(t *testing.T, router *linktest.Router, gate xtls.Gate) *side {
	t.Helper()
	return newServing(t, router, boxJID, gate, func(ctx context.Context, _ *xtls.Conn) { <-ctx.Done() })
}

func newServing(t *testing.T, router *linktest.Router, address string, gate xtls.Gate, serve func(context.Context, *xtls.Conn)) *side {
	t.Helper()
	return newSideOn(t, router.Connect(address), gate, serve, nil)
}

// newSideOn returns a party on a link of its own, whose sessions may be resumed if it has tickets.
func newSideOn(t *testing.T, link xmpp.Link, gate xtls.Gate, serve func(context.Context, *xtls.Conn), tickets *xtls.Tickets) *side {
	t.Helper()
	address := link.LocalAddr().String()
	id, err := trust.NewIdentity(address, time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s := &side{id: id, pins: &pins{}, conns: make(chan *xtls.Conn, 8), served: make(chan struct{}, 8)}
	s.session = xmpp.NewSession(link, nil)
	cfg := xtls.Config{Certificate: id.Certificate, Trust: s.pins, Tickets: tickets, Gate: gate, Log: slog.New(slog.NewTextHandler(&s.log, nil))}
	cfg.Serve = func(ctx context.Context, c *xtls.Conn) {
		s.conns <- c
		serve(ctx, c)
		s.served <- struct{}{}
	}
	s.end = xtls.New(s.session, cfg)
	linktest.Serve(t, s.session)
	t.Cleanup(s.end.Close)
	return s
}

// couple returns a device and an owner on one server.
func couple(t *testing.T, router *linktest.Router, gate xtls.Gate) (device, owner *side) {
	return newSide(t, router, boxJID, gate), newSide(t, router, ownerJID, nil)
}

// pair makes both trust each other.
func pair(device, owner *side) {
	device.pins.add("romeo@montague.lit", owner.id.DER())
	owner.pins.add("box@home.example", device.id.DER())
}

func echo(t *testing.T, c io.ReadWriter, text string) {
	t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != text {
		t.Fatalf("echo: %q, %v", got, err)
	}
}

func pinOf(pin string) xtls.PIN {
	return xtls.PIN{Ask: func(context.Context) (string, error) { return pin, nil }}
}

func TestX509(t *testing.T) {
	device, owner := couple(t, linktest.NewRouter(), nil)
	pair(device, owner)
	c, err := owner.end.OpenX509(t.Context(), jid.MustParse(boxJID))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	echo(t, c, "hello")
	if got := <-device.conns; got.Method != xtls.X509 || got.Peer.String() != ownerJID || got.Pin != [32]byte(owner.id.Fingerprint()) {
		t.Errorf("the device sees %v from %s", got.Method, got.Peer)
	}
}

func TestSRP(t *testing.T) {
	w := openWindow()
	device, owner := couple(t, linktest.NewRouter(), w)
	c, err := owner.end.OpenSRP(t.Context(), jid.MustParse(boxJID), pinOf(testPIN))
	if err != nil {
		t.Fatal(err)
	}
	echo(t, c, "hello")
	if got := <-device.conns; got.Method != xtls.SRP {
		t.Errorf("the device sees %v", got.Method)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	device.end.Close()
	if w.mu.Lock(); len(w.proofs) != 1 || !w.proofs[0] || w.ends == 0 {
		t.Errorf("proofs %v, ended %d times", w.proofs, w.ends)
	}
	w.mu.Unlock()
}

func TestWrongPIN(t *testing.T) {
	w := openWindow()
	_, owner := couple(t, linktest.NewRouter(), w)
	_, err := owner.end.OpenSRP(t.Context(), jid.MustParse(boxJID), pinOf("48151624"))
	if !errors.Is(err, xtls.ErrWrongPIN) {
		t.Errorf("the owner hears %v", err)
	}
	if w.mu.Lock(); len(w.proofs) != 1 || w.proofs[0] {
		t.Errorf("proofs %v", w.proofs)
	}
	w.mu.Unlock()
}

// DESIGN §3, Failures: what the initiator's user is told.
func TestRefusals(t *testing.T) {
	for _, tc := range []struct {
		name string
		gate error
		srp  bool
		want error
	}{
		{"no window", xtls.ErrNotPairing, true, xtls.ErrNotPairing},
		{"locked", xtls.ErrLocked, true, xtls.ErrLocked},
		{"too many", xtls.ErrTooMany, true, xtls.ErrTooMany},
		{"may not try", xtls.ErrRefused, true, xtls.ErrRefused},
		{"x509 while no window is open", xtls.ErrNotPairing, false, xtls.ErrNotKnown},
		{"x509 while a window is open: no PIN prompt", nil, false, xtls.ErrNotKnown},
		{"x509 by a stranger", xtls.ErrRefused, false, xtls.ErrRefused},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := openWindow()
			w.admit = tc.gate
			device, owner := couple(t, linktest.NewRouter(), w)
			owner.pins.add("box@home.example", device.id.DER())
			var err error
			if tc.srp {
				_, err = owner.end.OpenSRP(t.Context(), jid.MustParse(boxJID), xtls.PIN{Ask: func(context.Context) (string, error) {
					t.Error("the user was asked for a PIN")
					return "", nil
				}})
			} else {
				_, err = owner.end.OpenX509(t.Context(), jid.MustParse(boxJID))
			}
			if !errors.Is(err, tc.want) {
				t.Errorf("%v, want %v", err, tc.want)
			}
		})
	}
}
