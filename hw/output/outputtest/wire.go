// Package outputtest holds what tests of outputs share: the conformance suite that every driver passes (Run), and a GPIO line
// with a lamp on it (Wire).
package outputtest

import (
	"fmt"
	"sync"
	"time"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpiotest"
)

// Wire is a GPIO line with a lamp on it. The zero Wire is ready for use, by any goroutine.
type Wire struct {
	mu    sync.Mutex // guards what follows
	err   error
	lost  error
	pin   *gpiotest.Pin // nil while nobody drives the line
	moves []Move
}

// Move is a level that the line was driven to.
type Move struct {
	Level gpio.Level
	At    time.Time
}

// Open is an output.Env.Pin.
func (w *Wire) Open(name string) (gpio.PinIO, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return nil, fmt.Errorf("%s: %w", name, w.err)
	}
	return &driven{PinIO: gpio.INVALID, wire: w}, nil
}

// Fail lets the line fail with err from now on, as one that was unplugged does; nil mends it.
func (w *Wire) Fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
	if err != nil {
		w.pin, w.lost = nil, err
	}
}

// Level is what the line is driven to; driven is false while nobody does.
func (w *Wire) Level() (l gpio.Level, driven bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pin == nil {
		return gpio.Low, false
	}
	return w.pin.Read(), true
}

// Force moves the line from outside.
func (w *Wire) Force(l gpio.Level) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = w.pin.Out(l)
}

// Moves returns every change of the level that was driven, oldest first, and forgets them.
func (w *Wire) Moves() []Move {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := w.moves
	w.moves = nil
	return m
}

// driven is the line in the hands of an output.
type driven struct {
	gpio.PinIO // INVALID, for what no output needs
	wire       *Wire
}

func (d *driven) Out(l gpio.Level) error {
	w := d.wire
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	if w.pin == nil {
		w.pin, w.lost = &gpiotest.Pin{}, nil
	} else if w.pin.Read() == l {
		return nil
	}
	w.moves = append(w.moves, Move{l, time.Now()})
	return w.pin.Out(l)
}

func (d *driven) Read() gpio.Level {
	l, _ := d.wire.Level()
	return l
}

// Lost tells why the line cannot be used any more.
func (d *driven) Lost() error {
	d.wire.mu.Lock()
	defer d.wire.mu.Unlock()
	return d.wire.lost
}

// Halt leaves the line at its level, undriven.
func (d *driven) Halt() error {
	d.wire.mu.Lock()
	defer d.wire.mu.Unlock()
	d.wire.pin = nil
	return nil
}
