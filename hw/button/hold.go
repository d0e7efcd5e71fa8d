package button

import "time"

// Who holds a button has unlocked after UnlockAfter, if he lets go, and wiped after WipeAfter.
const (
	UnlockAfter = 3 * time.Second
	WipeAfter   = 10 * time.Second
)

// posture is how a button stands.
//
//	        ┌────────────── up ◀─────────────┐ let go: Press
//	pressed │               ▲ ▲              │
//	        ▼               │ └── let go ──┐ │
//	      down ─────────────┼──────────────┼─┘
//	        │ after 3 s     │              │
//	        ▼ Held          │ let go:      │
//	      held ─────────────┘ HoldUnlock   │
//	        │ after 10 s                   │
//	        ▼ HoldWipe                     │
//	      spent ───────────────────────────┘
//
// A button that is down when it is first seen is spent. One that vanishes is up; what was held is HoldCancelled.
type posture int

const (
	up posture = iota
	down
	held
	spent // down, and means nothing any more
)

// change is what happens to a button.
type change int

const (
	pressed change = iota + 1
	letGo
	timeUp   // the posture has lasted as long as it can
	vanished // its hardware did
)

// changeTo is the change that makes a button be down, or up.
func changeTo(down bool) change {
	if down {
		return pressed
	}
	return letGo
}

// next is the posture after a change, and what it means to whoever waits for events: 0 is nothing.
func next(p posture, c change) (posture, Event) {
	switch {
	case c == vanished && p == held:
		return up, HoldCancelled
	case c == vanished:
		return up, 0
	case p == up && c == pressed:
		return down, 0
	case p == down && c == letGo:
		return up, Press
	case p == down && c == timeUp:
		return held, Held
	case p == held && c == letGo:
		return up, HoldUnlock
	case p == held && c == timeUp:
		return spent, HoldWipe
	case p == spent && c == letGo:
		return up, 0
	}
	return p, 0
}

// glance is how often a button that is held must be looked at.
const glance = 500 * time.Millisecond

// hold is the life of a button in time. The zero hold is up.
type hold struct {
	posture posture
	due     time.Time // when time is up; zero while there is no such time
	seen    time.Time // when the button was last looked at
}

// happen takes a change, at now.
func (h *hold) happen(c change, now time.Time) Event {
	before := h.posture
	var e Event
	h.posture, e = next(h.posture, c)
	h.seen = now
	if h.posture == before {
		return e
	}
	switch h.posture {
	case down:
		h.due = now.Add(UnlockAfter)
	case held:
		h.due = h.due.Add(WipeAfter - UnlockAfter)
	default:
		h.due = time.Time{}
	}
	return e
}

// look tells the button the time: nothing has changed until now. Time in which nobody looked does not count towards a hold:
// a process that got no processor for ten seconds has not seen a button held for ten, and must not wipe.
func (h *hold) look(now time.Time) Event {
	if h.due.IsZero() {
		return 0
	}
	if missed := now.Sub(h.seen) - 2*glance; missed > 0 {
		h.due = h.due.Add(missed)
	}
	h.seen = now
	if now.Before(h.due) {
		return 0
	}
	return h.happen(timeUp, now)
}

// wait is how long nobody needs to look, at most glance while the button is down.
func (h *hold) wait(now time.Time) time.Duration {
	if h.due.IsZero() {
		return glance
	}
	return min(glance, max(0, h.due.Sub(now)))
}
