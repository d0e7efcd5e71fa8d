package button

import (
	"errors"
	"sync"
	"time"

	"periph.io/x/conn/v3/gpio"

	"xtls-agent/hw/internal/gpioline"
	"xtls-agent/hw/internal/spec"
	"xtls-agent/hw/internal/trouble"
)

// contactOnLine is a switch on a GPIO line. It is there from the start; its line is taken when it can be had, and again after it
// was lost.
type contactOnLine struct {
	*source
	trouble.Report

	name   string
	active gpio.Level // of the line while the button is down
	pull   gpio.Pull
	open   func(name string) (gpio.PinIO, error)
	trace  func(Move)

	quit chan struct{}
	wg   sync.WaitGroup
	once sync.Once

	mu  sync.Mutex // guards pin
	pin gpio.PinIO // nil while there is none
}

func parseGPIO(s *spec.Spec) func(Env) (Button, error) {
	b := contactOnLine{name: s.NeedPath("gpio:GPIO17"), active: gpio.Low}
	pulls := []string{"up", "down", "none"} // the first is the default: away from the level that means down
	if s.Choice("active", "low", "high") == "high" {
		b.active = gpio.High
		pulls[0], pulls[1] = pulls[1], pulls[0]
	}
	b.pull = map[string]gpio.Pull{"up": gpio.PullUp, "down": gpio.PullDown, "none": gpio.Float}[s.Choice("pull", pulls...)]
	return func(env Env) (Button, error) {
		b := &contactOnLine{
			source: newSource(), Report: trouble.Report{Log: env.log(), Kind: "button", Spec: "gpio:" + b.name},
			name: b.name, active: b.active, pull: b.pull, open: env.pin(), trace: env.trace(), quit: make(chan struct{}),
		}
		b.wg.Go(b.run)
		return b, nil
	}
}

// run takes the line and watches it, until Close.
func (b *contactOnLine) run() {
	for !b.closing() {
		pin, err := b.take()
		if err == nil {
			b.Note(nil)
			b.watch(pin)
			err = gpioline.Lost(pin)
			b.leave(pin)
		}
		if b.closing() {
			return
		}
		b.Note(err)
		b.sleep(trouble.RetryEvery)
	}
}

// take makes the line ours, and an input.
func (b *contactOnLine) take() (gpio.PinIO, error) {
	pin, err := b.open(b.name)
	if err != nil {
		return nil, err
	}
	if err := pin.In(b.pull, gpio.BothEdges); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pin = pin
	return pin, nil
}

// leave gives the line back.
func (b *contactOnLine) leave(pin gpio.PinIO) {
	b.mu.Lock()
	defer b.mu.Unlock()
	_ = pin.Halt()
	b.pin = nil
}

// errStuck is what is wrong with a button that is down when it is first seen.
var errStuck = errors.New("it means nothing until it was let go: is active=low or active=high right?")

// watch turns what the contact does into events, until the line is lost or Close. It never waits for an edge without an end: not
// every pin keeps its promise to see one.
func (b *contactOnLine) watch(pin gpio.PinIO) {
	var c contact
	var h hold
	edges := 0      // since the contact stood still
	b.sleep(settle) // a resistor takes a moment to pull a long wire
	if c.now = pin.Read() == b.active; c.now {
		c.down, h.posture = true, spent
		b.Warn("button is down already", errStuck)
	}
	for !b.closing() {
		start := time.Now()
		wait := h.wait(start)
		if c.moving {
			wait = c.wait(start) // the hold is not looked at before
		}
		edge := pin.WaitForEdge(wait)
		if edge {
			edges += gpioline.Edges(pin)
		}
		level, now := pin.Read(), time.Now()
		if gpioline.Lost(pin) != nil {
			b.say(h.happen(vanished, now))
			return
		}
		switch changed := c.see(level == b.active, edge, now); {
		case c.moving: // it may be let go already
		case !changed:
			edges = 0
			b.say(h.look(now))
		default:
			b.Note(nil) // it is not stuck
			b.trace(Move{Down: c.down, Bounces: edges / 2})
			edges = 0
			b.say(h.happen(changeTo(c.down), now))
		}
		if !edge && now.Sub(start) < wait/2 {
			b.sleep(settle / 4) // a pin that does not wait must not keep the processor busy
		}
	}
}

func (b *contactOnLine) closing() bool {
	select {
	case <-b.quit:
		return true
	default:
		return false
	}
}

// sleep returns early at Close.
func (b *contactOnLine) sleep(d time.Duration) {
	select {
	case <-b.quit:
	case <-time.After(d):
	}
}

// Close gives the line back.
func (b *contactOnLine) Close() error {
	b.once.Do(func() {
		close(b.quit)
		b.mu.Lock()
		if b.pin != nil {
			_ = b.pin.Halt() // ends a wait for an edge
		}
		b.mu.Unlock()
		b.wg.Wait()
		b.end()
	})
	return nil
}
