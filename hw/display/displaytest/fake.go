package displaytest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"xtls-agent/hw/display"
)

// Fake is a display that keeps every screen. The zero Fake is ready for use, by
// any goroutine.
type Fake struct {
	mu      sync.Mutex // guards what follows
	screens []display.Screen
	err     error
	closed  bool
	changed chan struct{} // closed and replaced at each change
}

// Show implements display.Display.
func (f *Fake) Show(s display.Screen) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return errors.New("displaytest: Show after Close")
	}
	if f.err != nil {
		return f.err
	}
	s.Lines = slices.Clone(s.Lines)
	f.screens = append(f.screens, s)
	f.wake()
	return nil
}

// Close implements display.Display.
func (f *Fake) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	f.wake()
	return nil
}

// Fail lets Show fail with err from now on; nil mends the display.
func (f *Fake) Fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

// Screens returns all screens that were shown, oldest first.
func (f *Fake) Screens() []display.Screen {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.screens)
}

// Last returns the screen that is shown: the zero Screen before the first Show
// and after Close.
func (f *Fake) Last() display.Screen {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last()
}

// Closed reports whether Close was called.
func (f *Fake) Closed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.closed
}

// Wait returns the screen that is shown as soon as ok holds for it. It looks at
// the newest screen only: a screen that was shown before the call and has been
// replaced is not found.
func (f *Fake) Wait(ctx context.Context, ok func(display.Screen) bool) (display.Screen, error) {
	for {
		f.mu.Lock()
		s := f.last()
		if f.changed == nil {
			f.changed = make(chan struct{})
		}
		changed := f.changed
		f.mu.Unlock()
		if ok(s) {
			return s, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return display.Screen{}, fmt.Errorf("displaytest: waiting for a screen; the last one is %v: %w", s, ctx.Err())
		}
	}
}

func (f *Fake) last() display.Screen {
	if f.closed || len(f.screens) == 0 {
		return display.Screen{}
	}
	return f.screens[len(f.screens)-1]
}

// wake must be called with mu held.
func (f *Fake) wake() {
	if f.changed != nil {
		close(f.changed)
	}
	f.changed = make(chan struct{})
}

var _ display.Display = (*Fake)(nil)
