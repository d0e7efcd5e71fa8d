package evil

import (
	"context"
	"crypto/rand"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/pairing"
	"xtls-agent/trust"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/stream"
	"xtls-agent/xtls"
)

// attacker is somebody who speaks XTLS with our own library, in the place of another.
type attacker struct {
	t    testing.TB
	id   *trust.Identity
	end  *xtls.Endpoint
	full string

	guess   func() string // the PIN that it tries as a device
	judged  atomic.Int32  // what owners have proven to it, right or wrong: each is one guess of its
	right   atomic.Int32
	adopted atomic.Int32 // certificates of others that it got by enrolment
}

// startAttacker puts an attacker on a link that the server has given it.
func startAttacker(t testing.TB, l xmpp.Link, guess func() string) *attacker {
	t.Helper()
	id, err := trust.NewIdentity("attacker", time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return startAttackerWith(t, l, id, guess)
}

// startAttackerWith starts one who has an identity that the other side may trust.
func startAttackerWith(t testing.TB, l xmpp.Link, id *trust.Identity, guess func() string) *attacker {
	t.Helper()
	a := &attacker{t: t, id: id, full: l.LocalAddr().String(), guess: guess}
	s := xmpp.NewSession(l, nil)
	a.end = xtls.New(s, xtls.Config{Certificate: id.Certificate, Trust: gullible{}, Gate: gate{a}, Serve: a.serve})
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Serve(context.Background()) })
	t.Cleanup(func() {
		a.end.Close()
		_ = s.Close()
		wg.Wait()
	})
	return a
}

// serve plays the device to an owner who has proven the PIN that was guessed: it swaps in a certificate of its own.
func (a *attacker) serve(ctx context.Context, c *xtls.Conn) {
	link, err := stream.Server(ctx, c, stream.Config{Local: c.Local.Bare(), Remote: c.Peer.Bare(), Strict: true})
	if err != nil {
		return
	}
	if c.Method == xtls.X509 {
		s := xmpp.NewSession(link, nil)
		s.HandlePing()
		_ = s.Serve(ctx)
		return
	}
	_ = a.swap(ctx, link, func(s *xmpp.Session) { <-s.Done() })
}

// swap exchanges certificates on a stream that is secured by SRP: it gives its own, and takes the other's. then is called
// before the stream is closed.
func (a *attacker) swap(ctx context.Context, link xmpp.Link, then func(*xmpp.Session)) error {
	s := xmpp.NewSession(link, nil)
	pairing.AnswerPubkeys(s, a.id.DER())
	var served sync.WaitGroup
	served.Go(func() { _ = s.Serve(ctx) })
	defer served.Wait()
	defer s.Close()
	got, err := s.Request(ctx, xmpp.Get, jid.JID{}, xmpp.NewElement(pairing.NSPubkeysTmp, "pubkeys"))
	if err != nil {
		return err
	}
	if _, err := pairing.ParsePubkeys(got.Payload[0]); err != nil {
		return err
	}
	a.adopted.Add(1)
	then(s)
	return nil
}

// tryPIN plays an owner to a device: it tries a PIN and, if that was right, enrols a certificate of its own.
func (a *attacker) tryPIN(ctx context.Context, device, pin string) error {
	known := func(context.Context) (string, error) { return pin, nil }
	c, err := a.end.OpenSRP(ctx, jid.MustParse(device), xtls.PIN{Ask: known, Show: known})
	if err != nil {
		return err
	}
	link, err := stream.Client(ctx, c, stream.Config{Local: c.Local.Bare(), Remote: c.Peer.Bare(), Strict: true})
	if err != nil {
		_ = c.Close()
		return err
	}
	return a.swap(ctx, link, func(*xmpp.Session) {})
}

// gullible trusts every certificate, as an attacker may.
type gullible struct{}

func (gullible) Known(jid.JID) bool { return true }
func (gullible) Find(_ jid.JID, hash []byte) (pin xtls.Fingerprint, ok bool) {
	return pin, copy(pin[:], hash) == len(pin)
}
func (gullible) Pinned(jid.JID, xtls.Fingerprint) bool { return true }

// gate lets everybody try, and counts.
type gate struct{ a *attacker }

func (gate) MayTry(jid.JID) error                  { return nil }
func (gate) Admit(jid.JID) error                   { return nil }
func (gate) Typed() bool                           { return false }
func (g gate) Start(jid.JID) (xtls.Attempt, error) { return guessing(g), nil }

type guessing struct{ a *attacker }

func (g guessing) Password(context.Context) (string, error)      { return g.a.guess(), nil }
func (guessing) Compute(_ context.Context, f func() error) error { return f() }

func (g guessing) Done() <-chan struct{} { return nil }
func (g guessing) End()                  {}
func (g guessing) Proof(ok bool) error {
	g.a.judged.Add(1)
	if ok {
		g.a.right.Add(1)
	}
	return nil
}
