// Package button turns what a person does at the device into events: a press, a
// hold of 3 seconds, a hold of 10.
//
// A button is opened by a spec string (see Open). What an event does (open a
// window, unlock pairing, wipe the device) is the agent's to decide.
package button

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"periph.io/x/conn/v3/gpio"

	"xtls-agent/hw/internal/gpioline"
	"xtls-agent/hw/internal/spec"
)

// Event is something that a person did with a button.
type Event int

const (
	// Press is a short press: open a pairing window, or a new one.
	Press Event = iota + 1
	// HoldUnlock is a hold of 3 seconds that has ended: unlock pairing.
	HoldUnlock
	// HoldWipe is a hold of 10 seconds: forget every owner.
	HoldWipe
	// Held says that a button has been down for UnlockAfter and still is. Letting go makes it HoldUnlock, holding on
	// until WipeAfter makes it HoldWipe. A button that takes words has no such moment.
	Held
	// HoldCancelled ends what Held began: the button vanished while it was held, and nothing is to be done.
	HoldCancelled
)

// String returns the event in words.
func (e Event) String() string {
	switch e {
	case Press:
		return "press"
	case HoldUnlock:
		return "hold for 3 s"
	case HoldWipe:
		return "hold for 10 s"
	case Held:
		return "held"
	case HoldCancelled:
		return "hold cancelled"
	}
	return fmt.Sprintf("event %d", int(e))
}

// Button is one button, or several as one.
type Button interface {
	// Events is always the same channel. It is closed by Close and never
	// before. Events that nobody takes are dropped beyond the first few: a
	// press means now.
	Events() <-chan Event

	// Close ends the button, waits for what runs behind it, and closes Events.
	Close() error
}

// backlog is how many events wait for somebody to take them.
const backlog = 4

// Env is what drivers need of the world outside. The zero Env is the real world.
type Env struct {
	// Keys opens what key: reads lines from; nil opens the terminal that
	// controls the process. Closing it must end a Read that waits.
	Keys func() (io.ReadCloser, error)

	// Pin finds the GPIO line with a name; nil asks the kernel. Halt of what it returns must give the line back.
	Pin func(name string) (gpio.PinIO, error)

	// Inputs is where evdev: finds its devices; nil means the kernel's.
	Inputs Inputs

	// Lines lists the GPIO lines; nil asks the kernel.
	Lines func() ([]Line, error)

	// Trace is told how buttons move, as far as their hardware lets that be seen: not those that take words. It is called
	// from goroutines of theirs and must not block. Nil is allowed.
	Trace func(Move)

	// Log takes what goes wrong while a button is open; nil drops it.
	Log *slog.Logger
}

// Line is a GPIO line that has a name, and who has it now; "" is nobody.
type Line = gpioline.Line

// Lines lists the GPIO lines on which a button may be. Its error is one line for people.
func Lines(env Env) ([]Line, error) {
	if env.Lines == nil {
		return gpioline.Lines()
	}
	return env.Lines()
}

// Move is a button that went down, or came up.
type Move struct {
	Down    bool
	Bounces int // how often the contact went back before it stood still
}

func (e Env) trace() func(Move) {
	if e.Trace == nil {
		return func(Move) {}
	}
	return e.Trace
}

func (e Env) pin() func(string) (gpio.PinIO, error) {
	if e.Pin == nil {
		return gpioline.Open
	}
	return e.Pin
}

func (e Env) log() *slog.Logger {
	if e.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return e.Log
}

func drivers() spec.Table[Env, Button] {
	all := inputDrivers()
	all["gpio"], all["key"], all["socket"] = parseGPIO, parseKey, parseSocket
	return spec.Table[Env, Button]{Kind: "button", Drivers: all}
}

// Open returns the button that a spec string names:
//
//	gpio:LINE?active=low&pull=up
//	               a switch on the GPIO line of that name
//	evdev:PATH?name=NAME&key=KEY_OK&digits=off
//	               a key of every input device with that path and name, either of
//	               which may be missing; the name may hold *. With digits=on a PIN
//	               can be typed there (see Keys)
//	key:?digits=off
//	               the terminal: Enter is a press
//	socket:PATH?digits=off
//	               a Unix socket that takes lines, for scripts
//
// The last two take lines: "press", "hold" or "hold 3" (unlock), "hold 10" (wipe). With
// digits=on they take digits too. The Enter of the terminal is their OK; to the socket,
// OK is "ok", and "backspace" takes one back.
//
// An unknown driver, an unknown parameter or a bad value is an error; there is no fallback.
// GPIO lines and input devices are looked for in the background: one that cannot be
// had is no error, but reported to the log and tried again.
func Open(text string, env Env) (Button, error) { return drivers().Open(text, env) }

// Check reports what Open would find wrong with a spec string. It opens nothing.
func Check(text string) error { return drivers().Check(text) }

// TakesDigits reports whether a PIN can be typed on the button that a spec string names, which Check has found right.
func TakesDigits(text string) bool {
	s, err := spec.Parse(text)
	return err == nil && s.Choice("digits", "off", "on") == "on"
}

// OpenAll opens every button of a list, as one. A mistake in any spec, or a button
// that cannot be opened, is an error. An empty list is a button never pressed.
func OpenAll(specs []string, env Env) (Button, error) {
	buttons, err := drivers().OpenAll(specs, env)
	if err != nil {
		return nil, err
	}
	return join(specs, buttons), nil
}

// State is how a button is doing.
type State struct {
	Spec  string
	Err   error     // what keeps it from its hardware; nil if nothing does
	Since time.Time // since when something does
}

// States tells how each of the buttons is doing that OpenAll or Join made one of, in their order. Those of Join have no specs.
func States(b Button) []State {
	if several, ok := b.(interface{ states() []State }); ok {
		return several.states()
	}
	return []State{stateOf("", b)}
}

func stateOf(spec string, b Button) State {
	s := State{Spec: spec}
	if hardware, ok := b.(interface{ Trouble() (time.Time, error) }); ok {
		s.Since, s.Err = hardware.Trouble()
	}
	return s
}

// line is what can be written to a button that takes lines.
func line(text string) (Event, error) {
	switch strings.Join(strings.Fields(text), " ") {
	case "press":
		return Press, nil
	case "hold", "hold 3":
		return HoldUnlock, nil
	case "hold 10":
		return HoldWipe, nil
	}
	return 0, errors.New(`unknown word: write "press", "hold" (3 s) or "hold 10"`)
}

// maxLine bounds a line, in bytes.
const maxLine = 64

// source is the channel that drivers put events into.
type source struct {
	events chan Event

	mu     sync.Mutex // guards closed, and sending after it
	closed bool
}

func newSource() *source { return &source{events: make(chan Event, backlog)} }

// Events implements Button.
func (s *source) Events() <-chan Event { return s.events }

// put never blocks, and drops the event if too many wait.
func (s *source) put(e Event) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	select {
	case s.events <- e:
		return true
	default:
		return false
	}
}

// say puts an event, if it is one.
func (s *source) say(e Event) {
	if e != 0 {
		s.put(e)
	}
}

// end closes the channel, once; the first caller gets true.
func (s *source) end() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.closed = true
	close(s.events)
	return true
}
