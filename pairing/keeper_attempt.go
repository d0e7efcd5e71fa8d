package pairing

import (
	"context"
	"time"
)

// An Attempt is one handshake, and the enrolment after it, that the Keeper gave leave
// for. Whoever started it calls End, always.
type Attempt struct {
	k      *Keeper
	id     AttemptID
	peer   Peer
	ticket Ticket

	given chan struct{} // closed when there is a PIN
	pin   PIN           // set before given is closed
	done  chan struct{}
	cause error // set before done is closed
}

// Start gives the peer leave for one handshake, or says why not; see [Policy.Start].
func (k *Keeper) Start(peer Peer) (*Attempt, error) {
	var a *Attempt
	err := k.do(func(now time.Time) (Effects, error) {
		ticket, eff, err := k.policy.Start(now, peer)
		if err != nil {
			k.log.Info("pairing: refused", "peer", peer.JID, "addr", peer.Addr, "why", err)
			return eff, err
		}
		a = &Attempt{k: k, id: ticket.ID, peer: peer, ticket: ticket, given: make(chan struct{}), done: make(chan struct{})}
		k.attempts[a.id] = a
		if !ticket.PIN.IsZero() {
			a.give(ticket.PIN)
		}
		return eff, nil
	})
	if err != nil {
		return nil, err
	}
	return a, nil
}

// give is called once, with the keeper's lock.
func (a *Attempt) give(pin PIN) {
	a.pin = pin
	close(a.given)
}

// Password returns the PIN's digits, the password of this handshake, or why the attempt
// is over. A PIN that is typed at the device it waits for, as long as the window lasts.
func (a *Attempt) Password(ctx context.Context) (string, error) {
	select {
	case <-a.given:
	case <-a.done:
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	if err := a.Err(); err != nil {
		return "", err
	}
	return a.pin.Digits(), nil
}

// Compute runs f, which keeps a processor busy, when it is this attempt's turn: first come, first served, and nobody holds a
// turn by being slow to answer. Its error is f's, or why there was no turn.
func (a *Attempt) Compute(ctx context.Context, f func() error) error {
	select {
	case a.k.turns <- struct{}{}:
	case <-a.done:
		return a.cause
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-a.k.turns }()
	return f()
}

// Stall returns how long the handshake may go without progress; the caller ends it then.
func (a *Attempt) Stall() time.Duration { return a.ticket.Stall }

// Opener returns the bare JID of the owner in whose window the attempt runs, or "" if
// somebody at the device opened it.
func (a *Attempt) Opener() string { return a.ticket.Opener }

// Done is closed when the attempt is over: the window closed, another peer took the
// PIN, a deadline passed, or End was called. The caller then ends the session.
func (a *Attempt) Done() <-chan struct{} { return a.done }

// Err says why the attempt is over, or nil while it is not.
func (a *Attempt) Err() error {
	select {
	case <-a.done:
		return a.cause
	default:
		return nil
	}
}

// Proof says that the first client Finished was judged, before any answer leaves. When
// it returns nil, the proof is counted durably and the answer may go out. After an
// error the peer gets the answer to a wrong PIN, whatever ok was.
func (a *Attempt) Proof(ok bool) error {
	return a.k.do(func(now time.Time) (Effects, error) {
		eff, err := a.k.policy.Proof(now, a.id, ok)
		a.k.log.Info("pairing: PIN judged", "attempt", a.id, "peer", a.peer.JID, "addr", a.peer.Addr, "ok", ok && err == nil)
		return eff, err
	})
}

// Enrolled says that the peer is stored and has been answered; see [Policy.Enrolled].
func (a *Attempt) Enrolled() error {
	return a.k.do(func(now time.Time) (Effects, error) { return a.k.policy.Enrolled(now, a.id) })
}

// End says that the session has ended. Only the first call counts.
func (a *Attempt) End() {
	_ = a.k.do(func(now time.Time) (Effects, error) {
		eff := a.k.policy.End(now, a.id)
		if a.k.attempts[a.id] != nil {
			a.k.forget(a, ErrEnded)
		}
		return eff, nil
	})
}
