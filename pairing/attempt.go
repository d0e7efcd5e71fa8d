package pairing

import (
	"cmp"
	"slices"
	"time"
)

// An AttemptID names one attempt to pair, for the life of a Policy. Zero names none.
type AttemptID uint64

// A phase is how far an attempt has come.
type phase int

const (
	awaiting    phase = iota // TLS-SRP has begun, and waits for the PIN to be typed at the device
	handshaking              // it runs, with a PIN
	proven                   // the first Finished was right; certificates are exchanged
	enrolled                 // they are; the session is about to end
)

type attempt struct {
	peer  Peer
	phase phase
	end   time.Time // when it is ended whatever happens
}

// A Ticket is leave to run one handshake.
type Ticket struct {
	ID AttemptID
	// PIN is the handshake's password. In [ModeTyped] it is zero: it comes later, in [Effects.Give].
	PIN PIN
	// Stall is how long the handshake may go without progress. The caller, who
	// sees the bytes, ends it then.
	Stall time.Duration
	// End is when the policy ends it, whatever its progress. A handshake that waits for its PIN has until the window ends,
	// and gets another end with the PIN.
	End time.Time
	// Opener is the bare JID of the owner in whose window it runs: who admits the peer.
	// Empty if somebody at the device opened it.
	Opener string
}

// Start counts a handshake of the peer's and gives leave for it, or says why not, as
// MayTry does. It is called at the ClientHello.
func (p *Policy) Start(now time.Time, peer Peer) (Ticket, Effects, error) {
	var eff Effects
	p.advance(now, &eff)
	if err := p.check(peer, now, &eff); err != nil {
		return Ticket{}, eff, err
	}
	p.tally(peer).starts++
	p.lastID++
	a, pin := &attempt{peer: peer, phase: handshaking, end: p.handshakeEnd(now)}, p.window.pin
	if p.cfg.Mode == ModeTyped {
		p.replace(peer, &eff)
		a.phase, a.end, pin = awaiting, p.window.end, PIN{}
	}
	p.attempts[p.lastID] = a
	if p.state == Asking {
		eff.say(p.asking())
	}
	return Ticket{ID: p.lastID, PIN: pin, Stall: stallLimit, End: a.end, Opener: p.window.opener}, eff, nil
}

// handshakeEnd is when a handshake is ended that has its PIN now.
func (p *Policy) handshakeEnd(now time.Time) time.Time {
	end := now.Add(handshakeLimit)
	if p.window.end.Before(end) {
		end = p.window.end // a proof must arrive while the window is open
	}
	return end
}

// Proof says that the first client Finished of an attempt was judged right (ok) or
// wrong. A right one takes the PIN: the other handshakes end, and a new PIN is shown if
// the enrolment fails. After a wrong one a new PIN is shown at once, in what is left of
// the window; in a crowded window the PIN stays. Effects.Persist comes before the answer
// to the peer.
//
// An error means that the judgement does not count and the peer must not learn it: it
// gets the same answer as for a wrong PIN.
func (p *Policy) Proof(now time.Time, id AttemptID, ok bool) (Effects, error) {
	var eff Effects
	p.advance(now, &eff)
	a := p.attempts[id]
	if a == nil || a.phase != handshaking {
		p.lateProof(now, id, ok, &eff)
		return eff, ErrEnded
	}
	allowed := p.entitled(a.peer) // it may have changed since the start
	p.window.proofs++
	p.count(ok && allowed, &eff)
	if ok && allowed {
		a.phase, a.end = proven, now.Add(enrolLimit)
		p.fire(evProve, NoticeFinishing, a.peer.JID, &eff)
		return eff, nil
	}
	p.tally(a.peer).failed++
	delete(p.attempts, id)
	p.afterFailure(now, ok, &eff)
	if !allowed {
		return eff, ErrMayNotTry
	}
	return eff, nil
}

// lateProof is for a Finished that was judged although its attempt had been ended a
// moment before. The peer may guess the judgement from how the handshake ends. So the
// PIN is spent if it is still the valid one, and a wrong guess of a fixed PIN counts:
// otherwise handshakes that run side by side were guesses for nothing.
func (p *Policy) lateProof(now time.Time, id AttemptID, ok bool, eff *Effects) {
	valid := p.state == Open && p.window.had(id, p.lastID)
	wrong := p.cfg.Mode == ModeFixed && !ok
	if !valid && !wrong {
		return
	}
	if wrong {
		p.counters.Failures++
	}
	p.counters.Proofs++
	eff.persist(p.counters)
	switch {
	case valid:
		p.window.proofs++
		p.afterFailure(now, ok, eff)
	case p.overdrawn():
		p.fire(evLock, NoticeLocked, "", eff)
	}
}

// count keeps the counters that outlive a restart.
func (p *Policy) count(ok bool, eff *Effects) {
	p.counters.Proofs++
	if ok {
		p.counters.Failures = 0
	} else {
		p.counters.Failures++
	}
	eff.persist(p.counters)
}

// afterFailure goes on after a wrong PIN, or after a right one (known) that does not count.
func (p *Policy) afterFailure(now time.Time, known bool, eff *Effects) {
	switch {
	case p.overdrawn():
		p.fire(evLock, NoticeLocked, "", eff)
	case p.cfg.Mode == ModeDisplay && p.window.crowded() && !known && p.window.proofs < maxProofs:
		// Somebody else may be typing this PIN: whoever guesses must not be able to take
		// it from him. The guess counts against the peer who made it.
		p.sayCrowded(eff)
	case p.cfg.Mode == ModeTyped && p.inPhase(handshaking) > 0 && !known && p.window.proofs < maxProofs:
		// One of the others may be the one whose PIN was typed: they go on.
	case p.cfg.Mode == ModeTyped:
		p.reopen(now, evRotate, NoticeMistyped, eff)
	case p.cfg.Mode == ModeDisplay || p.window.proofs >= maxProofs:
		p.reopen(now, evRotate, NoticeWrongPIN, eff)
	default:
		// The wait doubles within a window and starts afresh with the next one,
		// which only a hand at the button opens; the lock counts them all.
		p.window.waitUntil = now.Add(firstWait << min(p.window.waits, maxDoublings))
		p.window.waits++
		p.fire(evWait, NoticeWait, "", eff)
	}
}

// sayCrowded says, once a window, why a wrong PIN changes nothing on the display.
func (p *Policy) sayCrowded(eff *Effects) {
	if !p.window.said {
		p.window.said = true
		eff.say(p.notice(NoticeCrowded, ""))
	}
}

// Enrolled says that the attempt's peer is stored as an owner and has been answered.
// That closes the window: one window makes one owner. The attempt itself goes on until
// End or its deadline, so that its session closes in good order.
func (p *Policy) Enrolled(now time.Time, id AttemptID) (Effects, error) {
	var eff Effects
	p.advance(now, &eff)
	a := p.attempts[id]
	if a == nil || a.phase != proven {
		return eff, ErrEnded
	}
	a.phase = enrolled
	p.fire(evFinish, NoticeStored, a.peer.JID, &eff)
	return eff, nil
}

// End says that the attempt's session has ended, for whatever reason. It may be called
// for one that is long over.
func (p *Policy) End(now time.Time, id AttemptID) Effects {
	var eff Effects
	p.advance(now, &eff)
	delete(p.attempts, id)
	p.dropUnproven(now, &eff)
	p.dropUnused(&eff)
	return eff
}

// endAll ends the attempts that match.
func (p *Policy) endAll(eff *Effects, cause error, match func(*attempt) bool) {
	for id, a := range p.attempts {
		if match(a) {
			delete(p.attempts, id)
			eff.End = append(eff.End, Ending{id, cause})
		}
	}
	slices.SortFunc(eff.End, func(a, b Ending) int { return cmp.Compare(a.ID, b.ID) })
}
