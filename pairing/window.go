package pairing

import (
	"errors"
	"fmt"
	"time"
)

// A window is the zero value in the states Closed, Locked and Damaged.
type window struct {
	grant     By     // whose word the window stands on: of ByOwner even if the button was pressed for it
	opener    string // the owner's bare JID, with ByOwner
	guests    Allow
	end       time.Time
	pin       PIN                // zero unless Open
	since     AttemptID          // attempts after this one were given pin
	given     map[AttemptID]bool // where pin was typed: those that have it; else nil
	typed     Typed              // so far; none unless Asking
	asked     bool               // somebody waits for it
	said      bool               // that it is crowded
	proofs    int
	waits     int
	waitUntil time.Time
	peers     map[peerKey]*tally
	named     map[string]bool
}

// had reports whether an attempt, up to the last one, was given the PIN that there is.
func (w *window) had(id, last AttemptID) bool {
	if w.given != nil {
		return w.given[id]
	}
	return id > w.since && id <= last
}

// remote reports whether the window stands on the word of an owner over x509 or of the
// local command.
func (w *window) remote() bool { return w.grant == ByOwner || w.grant == ByLocal }

// crowded reports whether several peers have asked: the PIN stays, whoever guesses wrong.
func (w *window) crowded() bool { return len(w.peers) > 1 }

// stayers are the peers of this window, with nothing counted, for the one that replaces it: a person who was asked for
// the PIN in this one may type the next.
func (w *window) stayers() map[peerKey]*tally {
	peers := map[peerKey]*tally{}
	for key := range w.peers {
		if len(peers) == maxAtOnce {
			break
		}
		peers[key] = &tally{}
	}
	return peers
}

// An Opening asks for a window.
type Opening struct {
	By By
	// Opener is the owner's bare JID, with ByOwner.
	Opener string
	// Guests may try in this window although they own nothing; with ByLocal and
	// ByOwner only.
	Guests Allow
}

// OpenWindow opens a window, in place of the one that may be there: what runs in that
// one ends, and a new PIN is drawn. A device with a fixed PIN opens one at the button
// only; there, ByLocal and ByOwner prepare a window that the next press opens. ByStart
// opens one only while nobody owns the device, and replaces none.
func (p *Policy) OpenWindow(now time.Time, o Opening) (Effects, error) {
	var eff Effects
	p.advance(now, &eff)
	if err := p.mayOpen(o, &eff); err != nil {
		return eff, err
	}
	if o.By == ByStart && p.state != Closed {
		return eff, nil
	}
	w := window{grant: o.By, end: now.Add(p.cfg.Window), peers: p.window.stayers(), named: map[string]bool{}}
	switch {
	case o.By == ByLocal || o.By == ByOwner:
		w.opener, w.guests = o.Opener, o.Guests
	case p.state == Armed: // a press: it is what the one who asked is waiting for
		w.grant, w.opener, w.guests = p.window.grant, p.window.opener, p.window.guests
	}
	if p.cfg.Mode == ModeFixed && o.By != ByButton {
		p.window = w
		p.fire(evArm, NoticePress, "", &eff)
		return eff, nil
	}
	pin, err := p.draw()
	if err != nil {
		return eff, fmt.Errorf("pairing: opening a window: %w", err)
	}
	w.pin = pin
	p.window = w
	p.fire(evOpen, p.opened(), "", &eff)
	return eff, nil
}

// mayOpen reports why a window may not be opened, on the display too.
func (p *Policy) mayOpen(o Opening, eff *Effects) error {
	switch {
	case p.state == Damaged:
		eff.say(Notice{Kind: NoticeDamaged})
		return ErrDamaged
	case p.state == Locked:
		eff.say(Notice{Kind: NoticeLocked})
		return ErrLocked
	case o.By == ByStart && p.cfg.Owners.Owned():
		return ErrOwned
	case o.By == ByStart && p.cfg.Mode == ModeFixed:
		return ErrButtonOnly
	case p.cfg.Mode == ModeDisplay && p.cfg.CanShow != nil && !p.cfg.CanShow():
		return ErrNoDisplay
	}
	return nil
}

// draw returns the PIN for a window: never the one before it again.
func (p *Policy) draw() (PIN, error) {
	switch p.cfg.Mode {
	case ModeFixed:
		return p.cfg.Fixed, nil
	case ModeTyped:
		return PIN{}, nil // a person brings it
	}
	for range maxDraws {
		pin, err := p.cfg.DrawPIN()
		if err != nil {
			return PIN{}, err
		}
		if !pin.IsZero() && !pin.Equal(p.lastPIN) {
			p.lastPIN = pin
			return pin, nil
		}
	}
	return PIN{}, errors.New("pairing: drawing a PIN: always the same one")
}

// opened is what the display says of a new window: the PIN of a label is not shown.
func (p *Policy) opened() NoticeKind {
	switch p.cfg.Mode {
	case ModeFixed:
		return NoticeLabel
	case ModeTyped:
		return NoticeBegin
	}
	return NoticePIN
}

// reopen shows a new PIN in the window that is there, if it has time and proofs left.
func (p *Policy) reopen(now time.Time, ev event, why NoticeKind, eff *Effects) {
	if !now.Before(p.window.end) {
		p.fire(evClose, NoticeClosed, "", eff)
		return
	}
	if p.window.proofs >= maxProofs {
		p.fire(evClose, NoticeTooMany, "", eff)
		return
	}
	pin, err := p.draw()
	if err != nil {
		p.fire(evClose, NoticeFault, "", eff)
		return
	}
	p.window.pin = pin
	p.fire(ev, why, "", eff)
}
