package pairing

import "time"

// This file is ModeTyped: the owner's client draws the PIN and shows it, and the person types it at the device, while the
// handshake waits (jingle-xtls, "Verification of Non-Human Parties", 1). A PIN that was typed belongs to the handshakes that
// waited for it, and to no later one.

// Digit takes a digit that was typed at the device, '0' to '9'.
func (p *Policy) Digit(now time.Time, d byte) Effects {
	return p.stroke(now, func(eff *Effects) {
		if d < '0' || d > '9' {
			return
		}
		if p.window.typed.Len() < pinDigits { // a ninth pushes none of them out
			p.window.typed = p.window.typed.with(d)
		}
		eff.say(p.typing())
	})
}

// Backspace takes the last digit back.
func (p *Policy) Backspace(now time.Time) Effects {
	return p.stroke(now, func(eff *Effects) {
		if p.window.typed.Len() == 0 {
			return
		}
		p.window.typed = p.window.typed.without()
		eff.say(p.typing())
	})
}

// typing echoes what was typed.
func (p *Policy) typing() Notice {
	if p.window.typed.Len() == pinDigits {
		return p.notice(NoticeFull, "")
	}
	return p.notice(NoticeTyping, "")
}

// OK ends a PIN: the handshakes that wait get it. It takes a key of its own, and not the eighth digit, so that a person can see
// what he has typed, and mend it, before it costs anything.
func (p *Policy) OK(now time.Time) Effects {
	return p.stroke(now, func(eff *Effects) {
		pin, whole := p.window.typed.pin()
		switch {
		case p.window.typed.Len() == 0:
			eff.say(p.asking())
		case !whole:
			eff.say(p.notice(NoticeShort, ""))
		case pin.Trivial():
			p.refuse(NoticeTrivial, eff)
		case pin.Equal(p.lastPIN): // a PIN is spent by its first use, whoever draws it
			p.refuse(NoticeUsed, eff)
		default:
			p.give(now, pin, eff)
		}
	})
}

// stroke is what all keys have in common: what is typed counts only while somebody waits for it.
func (p *Policy) stroke(now time.Time, do func(eff *Effects)) Effects {
	var eff Effects
	p.advance(now, &eff)
	switch {
	case p.state != Asking: // there is a PIN already, or nobody wants one any more
	case p.inPhase(awaiting) == 0:
		eff.say(p.notice(NoticeBegin, ""))
	default:
		do(&eff)
	}
	return eff
}

// refuse drops what was typed, and says why.
func (p *Policy) refuse(why NoticeKind, eff *Effects) {
	p.window.typed = Typed{}
	eff.say(p.notice(why, ""))
}

// give hands the PIN to the handshakes that wait. From here on they have the time of any handshake.
func (p *Policy) give(now time.Time, pin PIN, eff *Effects) {
	p.fire(evType, NoticeChecking, "", eff)
	p.window.pin, p.lastPIN, p.window.given = pin, pin, map[AttemptID]bool{}
	for id, a := range p.attempts {
		if a.phase == awaiting {
			a.phase, a.end = handshaking, p.handshakeEnd(now)
			p.window.given[id] = true
			eff.Give = append(eff.Give, Gift{id, pin})
		}
	}
}

// replace ends the attempt that a peer may have waiting, for a new one: a phone that lost its network comes again, and its old
// handshake would stand in its way until the window ends. Digits of the PIN that the old one has shown go with it, unless they may be
// of another's: no stranger wipes out what is typed for an owner by coming again and again.
func (p *Policy) replace(peer Peer, eff *Effects) {
	alone := p.inPhase(awaiting) == 1
	p.endAll(eff, ErrReplaced, func(old *attempt) bool {
		if old.phase != awaiting || old.peer.key() != peer.key() {
			return false
		}
		if alone {
			p.window.typed = Typed{}
		}
		return true
	})
}

// asking is what the device says while it waits for digits.
func (p *Policy) asking() Notice {
	peer := ""
	for _, a := range p.attempts {
		if a.phase == awaiting {
			peer = a.peer.JID
		}
	}
	switch p.inPhase(awaiting) {
	case 0:
		return p.notice(NoticeBegin, "")
	case 1:
		return p.notice(NoticeType, peer)
	}
	return p.notice(NoticeTypeYours, "")
}

// dropUnused is for handshakes that have gone: a PIN that nobody can prove any more, and digits that nobody waits for, are forgotten.
func (p *Policy) dropUnused(eff *Effects) {
	switch {
	case p.cfg.Mode != ModeTyped:
	case p.state == Open && p.inPhase(handshaking) == 0:
		p.fire(evMiss, NoticeUnfinished, "", eff)
	case p.state == Asking && p.window.asked && p.inPhase(awaiting) == 0:
		p.refuse(NoticeBegin, eff)
	}
	p.window.asked = p.inPhase(awaiting) > 0
}

// inPhase counts attempts.
func (p *Policy) inPhase(is phase) int {
	n := 0
	for _, a := range p.attempts {
		if a.phase == is {
			n++
		}
	}
	return n
}

// Typing reports whether what is typed at the device is the policy's: while there is a window, also when nobody waits yet, so that
// a person is told what to do first, and also while a PIN is checked, so that a second OK does not open the next window.
func (p *Policy) Typing() bool { return p.cfg.Mode == ModeTyped && p.state.running() }
