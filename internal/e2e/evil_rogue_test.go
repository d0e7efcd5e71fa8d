package e2e

import (
	"context"
	"crypto/rand"
	"sync"
	"sync/atomic"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/internal/evil"
	"xtls-agent/trust"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/stream"
	"xtls-agent/xtls"
)

// A rogue is the server in the device's place. It speaks TLS-SRP, with a PIN that it guesses, and TLS 1.3, with a certificate of its own.
type rogue struct {
	*evil.Impostor
	pin     string
	judged  atomic.Int32 // what owners have proven to it, right or wrong
	right   atomic.Int32
	secured atomic.Int32 // streams that an owner began inside a session with it
}

// rogueDevice makes the server a rogue in the device's place, until the test ends or the relay becomes something else.
func (s *evilScene) rogueDevice(pin string) *rogue {
	s.Helper()
	id, err := trust.NewIdentity("rogue", time.Now(), rand.Reader)
	if err != nil {
		s.Fatal(err)
	}
	r := &rogue{Impostor: s.InPlaceOf(s.box.fullJID(), s.romeo.jid), pin: pin}
	session := xmpp.NewSession(r.Impostor, nil)
	end := xtls.New(session, xtls.Config{Certificate: id.Certificate, Trust: believing{}, Gate: r, Serve: r.serve})
	var serving sync.WaitGroup
	serving.Go(func() { _ = session.Serve(context.Background()) }) // ends with Close
	s.Cleanup(func() {
		end.Close()
		_ = session.Close()
		serving.Wait()
	})
	return r
}

// serve waits for the header of the stream inside: an owner who sends one has taken the rogue for the device.
func (r *rogue) serve(ctx context.Context, c *xtls.Conn) {
	if _, err := stream.Server(ctx, c, stream.Config{Local: c.Local.Bare(), Remote: c.Peer.Bare(), Strict: true}); err == nil {
		r.secured.Add(1)
	}
}

// The rogue is its own [xtls.Gate] and its own [xtls.Attempt]: everybody may try, and each proof is one guess.

func (r *rogue) MayTry(jid.JID) error                            { return nil }
func (r *rogue) Admit(jid.JID) error                             { return nil }
func (r *rogue) Typed() bool                                     { return false }
func (r *rogue) Start(jid.JID) (xtls.Attempt, error)             { return r, nil }
func (r *rogue) Password(context.Context) (string, error)        { return r.pin, nil }
func (r *rogue) Compute(_ context.Context, f func() error) error { return f() }
func (r *rogue) Done() <-chan struct{}                           { return nil }
func (r *rogue) End()                                            {}
func (r *rogue) Proof(ok bool) error {
	r.judged.Add(1)
	if ok {
		r.right.Add(1)
	}
	return nil
}

// believing trusts every certificate, as a rogue may.
type believing struct{}

func (believing) Known(jid.JID) bool { return true }
func (believing) Find(_ jid.JID, hash []byte) (pin xtls.Fingerprint, ok bool) {
	return pin, copy(pin[:], hash) == len(pin)
}
func (believing) Pinned(jid.JID, xtls.Fingerprint) bool { return true }

// A server that plays the device learns one guess, and the owner hears that his PIN was wrong. With the right PIN, which it cannot know,
// it would have been the device to him: the weapon works.
func rogueGuesses(s *evilScene) {
	pin := s.box.pin()
	r := s.rogueDevice(digits(another(pin)))
	s.Become(r.Move)
	s.romeo.pair(s.box.jid, pin, "--timeout", evilTimeout).want(4)
	if n := r.judged.Load(); n != 1 || r.right.Load() != 0 {
		s.Errorf("the rogue has judged %d PINs, %d of them right", n, r.right.Load())
	}
	r = s.rogueDevice(digits(pin))
	s.Become(r.Move)
	s.romeo.pair(s.box.jid, pin, "--timeout", evilTimeout)
	s.Become(nil)
	if r.right.Load() != 1 || r.secured.Load() != 1 {
		s.Errorf("the weapon does not work: with the right PIN it was right %d times, and had %d streams", r.right.Load(), r.secured.Load())
	}
}

// A server that plays the device to its owner, by TLS 1.3 with a certificate of its own, hears nothing.
func rogueCertificate(s *evilScene) {
	s.romeo.pairs(s.box, s.box.jid)
	r := s.rogueDevice("")
	s.callsUnder(r.Move).want(1, "could not prove that it is the device", "somebody interferes")
	if r.judged.Load() != 0 || r.secured.Load() != 0 {
		s.Errorf("the owner proved %d PINs to the rogue, and opened %d streams", r.judged.Load(), r.secured.Load())
	}
	s.trusts()
	s.romeo.calls(s.box.jid)
}
