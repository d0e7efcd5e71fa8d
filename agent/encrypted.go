package agent

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"xtls-agent/pairing"
	"xtls-agent/trust"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/stream"
	"xtls-agent/xtls"
)

// serveEncrypted serves a connection on which the peer has proven itself. It returns when
// that has ended.
func (l *life) serveEncrypted(ctx context.Context, c *xtls.Conn, kind trust.Link) {
	defer l.log.Info("session over", "peer", c.Peer.String(), "method", string(c.Method))
	// The end-to-end header must name both sides as the Jingle session does: it is what stops a
	// server from connecting an owner to another device than his.
	link, err := stream.Server(ctx, c, stream.Config{Local: c.Local.Bare(), Remote: c.Peer.Bare(), Strict: true})
	if err != nil {
		l.log.Warn("encrypted stream refused", "peer", c.Peer.String(), "err", err)
		_ = c.Fail()
		return
	}
	if c.Method == xtls.SRP {
		err = l.enrol(ctx, link, c, kind)
	} else {
		err = l.serveOwner(ctx, link, c, kind)
	}
	if err != nil {
		l.log.Warn("encrypted session failed", "peer", c.Peer.String(), "method", string(c.Method), "err", err)
	}
}

// enrol exchanges certificates with a peer that has proven the PIN.
func (l *life) enrol(ctx context.Context, link xmpp.Link, c *xtls.Conn, kind trust.Link) error {
	attempt, _ := c.Attempt.(*pairing.Attempt)
	return pairing.AdmitOwner(ctx, link, l.memory.identity.DER(), func(cert *x509.Certificate) error {
		return l.admit(attempt, trust.Record{JID: c.Peer.Bare(), DER: cert.Raw, Link: kind})
	}, func() {
		if err := attempt.Enrolled(); err != nil { // the window was closed just now
			l.log.Warn("enrolled, and the window is over", "peer", c.Peer.String(), "err", err)
		}
	})
}

// admit stores a peer that has proven the PIN, as provisional. Whoever ended the window meanwhile has ended that, too.
func (l *life) admit(a *pairing.Attempt, r trust.Record) error {
	if err := a.Err(); err != nil {
		return err
	}
	r.Created, r.AddedBy = l.env.Now(), l.admitter(a)
	return l.stored(l.memory.owners.AddProvisional(r))
}

// stored says on the displays if err is that somebody could not be stored. It returns err, which may be nil.
func (l *life) stored(err error) error {
	if errors.Is(err, trust.ErrNotStored) {
		l.log.Error("somebody could not be stored: no pairing until there is room", "err", err)
		l.keeper.StorageFailed()
	}
	return err
}

// admitter returns the owner in whose window an attempt runs, or nobody: somebody at the box.
func (l *life) admitter(a *pairing.Attempt) trust.Key {
	l.openersMu.Lock()
	defer l.openersMu.Unlock()
	return l.openers[a.Opener()]
}

// serveOwner serves an owner. The record is confirmed, durably, before anything is answered.
func (l *life) serveOwner(ctx context.Context, link xmpp.Link, c *xtls.Conn, kind trust.Link) error {
	owner, first, err := l.memory.owners.Confirm(c.Peer.Bare(), trust.Fingerprint(c.Pin), kind)
	if l.stored(err) != nil {
		_ = link.Close()
		return err
	}
	s := xmpp.NewSession(link, l.log)
	tellStates, revoke := l.onOwnersSession(s, owner)
	nudge, remove := l.sessions.add(s, owner.Key(), func() {
		revoke() // at once; an owner who removed himself still gets the answer
		l.ending.Go(func() { endSoon(ctx, s) })
	})
	defer remove()
	if _, still := l.memory.owners.Trusted(owner.JID, owner.Fingerprint); !still { // removed meanwhile
		revoke()
		_ = link.Close()
		return fmt.Errorf("agent: %s was removed", owner.JID)
	}
	if first {
		l.confirmed(owner)
		l.ending.Go(func() { returnMemory(ctx) })
	} else {
		l.guests.welcome(owner.JID)
	}
	told := make(map[string]bool)
	l.tell(s, owner.Key(), told) // before any answer on this session
	var beside sync.WaitGroup
	defer beside.Wait()
	beside.Go(func() { l.accompany(s, owner.Key(), nudge, told) })
	beside.Go(tellStates)
	return s.Serve(ctx)
}

// returnAfter is when nobody waits for the device any more who has just paired with it.
const returnAfter = time.Second

// returnMemory gives back to the system what a pairing took: it is the most that a device ever computes, and it does so once in a long while.
func returnMemory(ctx context.Context) {
	select {
	case <-time.After(returnAfter):
	case <-ctx.Done(): // the owner has gone again
	}
	debug.FreeOSMemory()
}

// endSoon ends a session that can do nothing any more, once an answer under way has left.
func endSoon(ctx context.Context, s *xmpp.Session) {
	select {
	case <-time.After(answerGrace):
	case <-ctx.Done():
	}
	_ = s.Close()
}

// answerGrace is how long an answer may take to be queued.
const answerGrace = 250 * time.Millisecond

// confirmed tells everybody that there is a new owner.
func (l *life) confirmed(owner trust.Record) {
	l.log.Info("paired", "owner", owner.JID.String(), "fingerprint", owner.Fingerprint.String(), "role", string(owner.Role))
	code := trust.ComparisonCode(l.memory.identity.Fingerprint(), owner.Fingerprint)
	l.signMu.Lock()
	l.sign.code = code // shown by the notice that Confirmed causes
	l.signMu.Unlock()
	l.keeper.Confirmed(owner.JID.String())
	l.guests.welcome(owner.JID)
	l.tellOwners(owner.Key(), fmt.Sprintf("%s has a new owner: %s (certificate %s)", l.cfg.Name, owner.JID, owner.Fingerprint))
}
