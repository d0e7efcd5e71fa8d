//go:build !minimal

package display

import (
	"os"
	"sync"
)

// inTurn is a display on chip C that shows a screen in parts, one after the other.
type inTurn[C chip, Part any] struct {
	split func(Screen) []Part // of a cleaned screen; one part or more
	show  func(C, Part) error
	off   func(C) error // shows nothing, and keeps nothing that could be shown again

	mu     sync.Mutex // guards what follows
	hw     hardware[C]
	parts  []Part // nil before Show
	at     int    // the one that is shown
	closed bool
}

// Show shows the first part.
func (d *inTurn[C, Part]) Show(s Screen) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.parts = d.split(s.cleaned())
	return d.to(0)
}

// Turn implements Turner.
func (d *inTurn[C, Part]) Turn() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.parts) < 2 && !d.closed {
		return nil
	}
	return d.to(d.at + 1)
}

func (d *inTurn[C, Part]) to(part int) error {
	if d.closed {
		return os.ErrClosed
	}
	d.at = part % len(d.parts)
	return d.hw.do(func(c C) error { return d.show(c, d.parts[d.at]) })
}

// Close switches the display off and lets go of it.
func (d *inTurn[C, Part]) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	return d.hw.end(d.off)
}
