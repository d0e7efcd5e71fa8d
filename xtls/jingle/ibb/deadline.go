package ibb

import (
	"sync"
	"time"
)

// signal wakes those who wait for a change. The conn's mu guards it.
type signal struct{ next chan struct{} } // nil while nobody waits

// wait returns a channel that is closed at the next change.
func (s *signal) wait() <-chan struct{} {
	if s.next == nil {
		s.next = make(chan struct{})
	}
	return s.next
}

func (s *signal) give() {
	if s.next != nil {
		close(s.next)
		s.next = nil
	}
}

// deadline is a point in time after which a call fails. The conn's mu guards it. What writes to a stream moves its deadline each time, so that
// costs no timer: one that rings too early sets itself anew.
type deadline struct {
	at    time.Time // zero for none
	timer *time.Timer
	rings time.Time // when timer does; zero if it does not
}

func (d *deadline) passed() bool { return !d.at.IsZero() && time.Until(d.at) <= 0 }

// set moves the deadline. The caller holds mu; who waits for s is woken when the deadline has passed.
func (d *deadline) set(t time.Time, mu *sync.Mutex, s *signal) {
	d.at = t
	switch {
	case t.IsZero():
	case d.passed():
		s.give()
	case d.timer == nil:
		d.rings = t
		d.timer = time.AfterFunc(time.Until(t), func() {
			mu.Lock()
			defer mu.Unlock()
			d.ring(s)
		})
	case d.rings.IsZero() || t.Before(d.rings):
		d.rings = t
		d.timer.Reset(time.Until(t))
	}
}

// ring is what the timer does.
func (d *deadline) ring(s *signal) {
	d.rings = time.Time{}
	switch {
	case d.at.IsZero():
	case d.passed():
		s.give()
	default:
		d.rings = d.at
		d.timer.Reset(time.Until(d.at))
	}
}

// stop is for when no call fails by the deadline any more.
func (d *deadline) stop() {
	d.at = time.Time{}
	if d.timer != nil {
		d.timer.Stop()
	}
}
