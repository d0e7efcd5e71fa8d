// Package output switches what hangs on the box: a relay, a lamp, the opener of a door.
//
// An output is opened by a spec string (see Open). It is on or off; it can be switched, pulsed (a door that opens when its button
// is pushed) and blinked (which of these boxes is it?), and tells what it is by reading its level back. What may be switched, and
// by whom, is the agent's to decide.
//
// Drivers must pass outputtest.Run.
package output

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"periph.io/x/conn/v3/gpio"

	"xtls-agent/hw/internal/gpioline"
	"xtls-agent/hw/internal/spec"
)

// Output is one thing that is on or off. Its methods may be called from any goroutine and return at once. Those that fail have
// changed nothing that lasts: an output that fails goes to its initial value as soon as it can be had.
type Output interface {
	// Set switches on or off, and ends a pulse or a blinking.
	Set(on bool) error

	// Pulse switches on, and off after d. A pulse within a pulse begins it anew.
	Pulse(d time.Duration) error

	// Blink switches on and off, once a second, for d, and leaves the output as it was, or would have been after a pulse.
	Blink(d time.Duration) error

	// State reads back what the output is.
	State() (State, error)

	// Trouble returns what keeps the output from its hardware, and since when; nil if nothing does.
	Trouble() (since time.Time, err error)

	// Close gives the output its initial value, and lets go of it.
	Close() error
}

// MaxTime is the longest pulse or blinking.
const MaxTime = time.Hour

// State is what an output is, and what it is about to do.
type State struct {
	On     bool // now, as it was read back
	Motion Motion
}

// Motion is what an output does by itself.
type Motion int

// The motions.
const (
	Still Motion = iota
	Pulsing
	Blinking
)

// String returns the state in a word or two: "on", "off", "on, pulsing", "blinking".
func (s State) String() string {
	word := "off"
	if s.On {
		word = "on"
	}
	switch s.Motion {
	case Pulsing:
		return word + ", pulsing"
	case Blinking:
		return "blinking"
	}
	return word
}

// Env is what drivers need of the world outside. The zero Env is the real world.
type Env struct {
	// Pin finds the GPIO line with a name; nil asks the kernel. Halt of what it returns must give the line back.
	Pin func(name string) (gpio.PinIO, error)

	// Changed is told each new state, whoever made it; blinking is one state. It is called from a goroutine of the output, must not
	// block, and must not call the output. Nil is allowed.
	Changed func(State)

	// Log takes what goes wrong while an output is open; nil drops it.
	Log *slog.Logger
}

func (e Env) withDefaults() Env {
	if e.Pin == nil {
		e.Pin = gpioline.Open
	}
	if e.Changed == nil {
		e.Changed = func(State) {}
	}
	if e.Log == nil {
		e.Log = slog.New(slog.DiscardHandler)
	}
	return e
}

func drivers() spec.Table[Env, Output] {
	return spec.Table[Env, Output]{Kind: "output", Drivers: map[string]spec.Driver[Env, Output]{"gpio": parseGPIO}}
}

// Open returns the output that a spec string names:
//
//	gpio:LINE?active=high&initial=off
//	               a GPIO line, by its name; active is its level while the output is on
//
// initial is what the output is from the start, and at the end: its safe value. An unknown driver, an unknown parameter or a bad
// value is an error; there is no fallback. The hardware is taken in the background, at once: a line that cannot be had is no
// error here, but one of whatever is asked of the output; it is reported to the log, and tried again.
func Open(text string, env Env) (Output, error) { return drivers().Open(text, env.withDefaults()) }

// Check reports what Open would find wrong with a spec string. It opens nothing.
func Check(text string) error { return drivers().Check(text) }

var errClosed = errors.New("output: closed")

// checkTime refuses what nobody means.
func checkTime(d time.Duration) error {
	if d <= 0 || d > MaxTime {
		return fmt.Errorf("output: %v is no time for a pulse or a blinking: it must be more than 0 and at most %v", d, MaxTime)
	}
	return nil
}
