package output

import "time"

// halfBlink is how long a blinking output stays on, and off: fast enough to be told from other lamps, and slow enough for a relay.
const halfBlink = 500 * time.Millisecond

// plan is what an output is, and how it goes on by itself.
//
//	        ┌── set ──▶ Still ◀── time is up ──┐
//	        │            │  ▲                  │
//	any ────┼── pulse ───┼──┴──▶ Pulsing ──────┤
//	        └── blink ───┴─────▶ Blinking ─────┘
//	                              └─◀─ on, off, on …
type plan struct {
	motion Motion
	on     bool      // now
	rest   bool      // when it is Still again
	due    time.Time // when it changes by itself; zero if it is Still
	end    time.Time // when it is Still again
}

func (p plan) set(on bool) plan { return plan{on: on, rest: on} }

func (p plan) pulse(now time.Time, d time.Duration) plan {
	return plan{motion: Pulsing, on: true, due: now.Add(d), end: now.Add(d)}
}

func (p plan) blink(now time.Time, d time.Duration) plan {
	return plan{motion: Blinking, on: !p.on, rest: p.rest, due: now.Add(min(halfBlink, d)), end: now.Add(d)}
}

// tick is the plan after its due time.
func (p plan) tick() plan {
	if p.motion == Still || !p.due.Before(p.end) {
		return p.set(p.rest)
	}
	p.on = !p.on
	if p.due = p.due.Add(halfBlink); p.due.After(p.end) {
		p.due = p.end
	}
	return p
}

// state is what others are told of.
func (p plan) state() State { return State{On: p.on, Motion: p.motion} }

// news reports whether others want to hear of q after p: of each blink they do not.
func (p plan) news(q plan) bool {
	return p.motion != q.motion || p.on != q.on && q.motion != Blinking
}
