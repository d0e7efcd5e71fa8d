// Package buttontest has a button that tests press.
package buttontest

import (
	"sync"

	"xtls-agent/hw/button"
)

// Fake is a button. Make it with New.
type Fake struct {
	events chan button.Event

	mu     sync.Mutex // guards closed, and sending after it
	closed bool
}

// New returns a button. Up to 64 events wait in it.
func New() *Fake { return &Fake{events: make(chan button.Event, 64)} }

// Do lets a person do something. It never blocks; after Close it does nothing.
func (f *Fake) Do(e button.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	select {
	case f.events <- e:
	default:
		panic("buttontest: 64 events wait, and nobody takes them")
	}
}

// Press is Do(button.Press).
func (f *Fake) Press() { f.Do(button.Press) }

// Events implements button.Button.
func (f *Fake) Events() <-chan button.Event { return f.events }

// Close implements button.Button.
func (f *Fake) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.closed = true
		close(f.events)
	}
	return nil
}

// Closed reports whether Close was called.
func (f *Fake) Closed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.closed
}

var _ button.Button = (*Fake)(nil)
