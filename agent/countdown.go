package agent

import (
	"fmt"
	"time"

	"xtls-agent/hw/button"
)

// countdown is what the displays tell somebody who holds a button down, before the device wipes. It only tells: what is done is
// decided by the button.
//
//	silent ── held ──▶ counting ── last second ──▶ wiping
//	   ▲                  │                          │
//	   └───── let go ─────┴──── a second later ──────┘
//
// "A second later": the word of the button was lost, or the wipe has failed.
type countdown struct {
	state countState
	left  int // seconds; while counting
}

type countState int

const (
	silent countState = iota
	counting
	wiping
)

// countdownFrom is how many seconds are left when a button begins to be held.
const countdownFrom = int((button.WipeAfter - button.UnlockAfter) / time.Second)

// tick is the countdown a second later.
func (c countdown) tick() countdown {
	switch {
	case c.state == counting && c.left > 1:
		return countdown{counting, c.left - 1}
	case c.state == counting:
		return countdown{state: wiping}
	}
	return countdown{}
}

// after is the countdown after an event of a button.
func (c countdown) after(e button.Event) countdown {
	switch e {
	case button.Held:
		return countdown{counting, countdownFrom}
	case button.HoldWipe:
		return countdown{state: wiping}
	}
	return countdown{}
}

// lines is what stands on the displays in the place of everything else; nil if it is silent.
func (c countdown) lines() []string {
	switch c.state {
	case counting:
		return []string{fmt.Sprintf("Wiping in %d …", c.left), "Let go to keep everything."}
	case wiping:
		return []string{"Wiping …"}
	}
	return nil
}
