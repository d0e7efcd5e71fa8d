package xtls

import (
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"time"

	"mellium.im/xmpp/jid"
)

// labelSize is the length of a ticket that this side gives, in bytes. It is a random name of what is kept here, and says nothing by itself: so it is
// short, and there is no key by which whoever has it opens all tickets that were ever seen.
const labelSize = 16

// resumption is what one handshake does with tickets, in either role: the initiator's [tls.ClientSessionCache], or how the
// responder wraps and unwraps them.
type resumption struct {
	tickets *Tickets
	between relation
	round   int    // of the tickets when the handshake began: before it is verified
	given   func() // called before a ticket is written by itself; may be nil

	offered time.Time // when the peer had proven its key, in the session that is offered
	proven  time.Time // the same of this session; zero until it is verified
	early   *ticket   // one that was made before that
}

// resume returns what a handshake with peer does with tickets, if this side has some.
func (e *Endpoint) resume(peer jid.JID, pin Fingerprint) *resumption {
	if e.cfg.Tickets == nil {
		return nil
	}
	return &resumption{
		tickets: e.cfg.Tickets, round: e.cfg.Tickets.now(),
		between: relation{own: e.session.LocalAddr().Bare(), peer: peer.Bare(), pin: pin},
	}
}

// configure sets tickets up for both roles; nil: there are none.
func (r *resumption) configure(cfg *tls.Config) {
	if r == nil {
		cfg.SessionTicketsDisabled = true
		return
	}
	cfg.ClientSessionCache = r
	cfg.WrapSession, cfg.UnwrapSession = r.wrap, r.unwrap
}

// verified is told that the handshake has passed all checks.
func (r *resumption) verified(resumed bool) {
	r.proven = time.Now()
	if resumed {
		r.proven = r.offered
	}
	if r.early != nil {
		r.keep(*r.early)
	}
}

// keep keeps a ticket of this session, once that is verified.
func (r *resumption) keep(k ticket) {
	if r.proven.IsZero() {
		r.early = &k
		return
	}
	k.between, k.proven = r.between, r.proven
	r.tickets.put(r.round, k)
}

// Get implements [tls.ClientSessionCache]. A ticket is offered once: who watches cannot tell by it that two sessions are of
// the same pair, and one that is refused is not tried again.
func (r *resumption) Get(string) (*tls.ClientSessionState, bool) {
	k, ok := r.tickets.newest(r.between)
	if !ok {
		return nil, false
	}
	state, err := tls.ParseSessionState(k.state)
	if err != nil {
		return nil, false
	}
	session, err := tls.NewResumptionState(k.label, state)
	r.offered = k.proven
	return session, err == nil
}

// Put implements [tls.ClientSessionCache]: a ticket has come, or is worth nothing.
func (r *resumption) Put(_ string, session *tls.ClientSessionState) {
	label, state, err := session.ResumptionState()
	if err != nil || state == nil {
		return
	}
	if secret, err := state.Bytes(); err == nil {
		r.keep(ticket{label: label, state: secret})
	}
}

// wrap is a responder's [tls.Config.WrapSession]. In a full handshake the initiator is verified by then; in a resumed one the ticket leaves
// with the first flight.
func (r *resumption) wrap(cs tls.ConnectionState, session *tls.SessionState) ([]byte, error) {
	secret, err := session.Bytes()
	if err != nil {
		return nil, fmt.Errorf("xtls: making a ticket: %w", err)
	}
	label := make([]byte, labelSize)
	_, _ = rand.Read(label) // never fails
	r.keep(ticket{label: label, state: secret})
	if !cs.DidResume && r.given != nil {
		r.given()
	}
	return label, nil
}

// unwrap is a responder's [tls.Config.UnwrapSession]. A ticket that is not known, or not between these two, means a full handshake.
func (r *resumption) unwrap(label []byte, _ tls.ConnectionState) (*tls.SessionState, error) {
	k, ok := r.tickets.named(r.between, label)
	if !ok {
		return nil, nil
	}
	state, err := tls.ParseSessionState(k.state)
	if err != nil {
		return nil, nil
	}
	r.offered = k.proven
	return state, nil
}
