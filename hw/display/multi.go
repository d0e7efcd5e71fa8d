package display

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// patience is how long Multi.Show waits for slow displays. They go on
	// afterwards, and skip to the newest screen when they are done.
	patience = time.Second

	// retryEvery is the pause before a display that failed is tried again.
	retryEvery = 5 * time.Second

	// turnEvery is how long a part of a screen stays on a Turner: long enough to
	// read four digits or a line, and to write them down.
	turnEvery = 2500 * time.Millisecond

	// echoAfter is how long nobody has typed before a Slow display echoes what was.
	echoAfter = 1500 * time.Millisecond
)

// Multi is several displays that show the same. Each has a goroutine of its own, so
// that one which is slow, or broken, never keeps a screen from the others.
type Multi struct {
	workers []*worker
	quit    chan struct{}
	wg      sync.WaitGroup

	showing sync.Mutex // one Show at a time; guards closed
	closed  bool

	mu    sync.Mutex    // guards noted
	noted chan struct{} // closed and replaced when a display has shown a screen or failed
}

// Named is a display and the spec string to report it by.
type Named struct {
	Spec string
	Display
}

// OpenAll opens every display of a list. Any mistake in a spec is an error.
// See NewMulti for report.
func OpenAll(specs []string, env Env, report func(spec string, err error)) (*Multi, error) {
	opened, err := drivers().OpenAll(specs, env)
	if err != nil {
		return nil, err
	}
	displays := make([]Named, len(opened))
	for i, d := range opened {
		displays[i] = Named{specs[i], d}
	}
	return NewMulti(displays, report), nil
}

// NewMulti runs displays side by side; it owns them from now on. It calls report,
// from several goroutines, when a display begins to fail, and with a nil error
// when it works again. A nil report is allowed.
func NewMulti(displays []Named, report func(spec string, err error)) *Multi {
	if report == nil {
		report = func(string, error) {}
	}
	m := &Multi{quit: make(chan struct{}), noted: make(chan struct{})}
	for _, d := range displays {
		w := &worker{Named: d, report: report, jobs: make(chan job, 1), noted: m.note}
		m.workers = append(m.workers, w)
		m.wg.Go(func() { w.run(m.quit) })
	}
	return m
}

// Show gives a screen to every display. It returns when all have shown it or
// failed, or after a second. It fails if none shows it; a display that is still at
// it after the second counts if it worked before, and "none:" never fails. What
// failed is retried with the newest screen until it works.
func (m *Multi) Show(s Screen) error {
	m.showing.Lock()
	defer m.showing.Unlock()
	if m.closed {
		return errClosed
	}
	results := make(chan error, len(m.workers))
	for _, w := range m.workers {
		w.give(job{s, results})
	}
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	var errs []error
	for range m.workers {
		select {
		case err := <-results:
			if err != nil {
				errs = append(errs, err)
			}
		case <-timeout.C:
			if m.Working() > 0 {
				return nil
			}
			return errors.Join(append(errs, fmt.Errorf("display: no answer within %v", patience))...)
		}
	}
	if len(errs) == len(m.workers) {
		return errors.Join(errs...)
	}
	return nil
}

// Working is the number of displays on which a person can read the last screen
// that they were given. "none:" does not count, and a display counts only after
// its first Show: without one that works, no PIN may be made.
func (m *Multi) Working() int {
	n := 0
	for _, w := range m.workers {
		n += bit(w.works())
	}
	return n
}

// State is how a display is doing.
type State struct {
	Spec  string
	Tried bool      // it has shown a screen, or failed to
	Err   error     // why it does not show the last one
	Since time.Time // since when it fails; zero if it does not
}

// States tells how each display is doing, in the order of the list.
func (m *Multi) States() []State {
	states := make([]State, len(m.workers))
	for i, w := range m.workers {
		w.mu.Lock()
		states[i] = State{w.Spec, w.tried, w.err, w.since}
		w.mu.Unlock()
	}
	return states
}

// Await waits until a display works, and reports whether one does. E-paper takes many
// seconds for its first screen; others may be plugged in late.
func (m *Multi) Await(ctx context.Context) bool {
	for {
		m.mu.Lock()
		noted := m.noted
		m.mu.Unlock()
		if m.Working() > 0 {
			return true
		}
		select {
		case <-noted:
		case <-ctx.Done():
			return false
		case <-m.quit:
			return false
		}
	}
}

func (m *Multi) note() {
	m.mu.Lock()
	defer m.mu.Unlock()
	close(m.noted)
	m.noted = make(chan struct{})
}

// Close clears every display and waits for all of them.
func (m *Multi) Close() error {
	m.showing.Lock()
	defer m.showing.Unlock()
	if m.closed {
		return nil
	}
	m.closed = true
	close(m.quit)
	m.wg.Wait()
	var errs []error
	for _, w := range m.workers {
		errs = append(errs, w.closeErr)
	}
	return errors.Join(errs...)
}

var errClosed = errors.New("display: closed")

type job struct {
	screen Screen
	result chan<- error // never blocks: it has room for every worker
}

// answer tells how the job went, once: nobody waits for what a timer does later.
func (j *job) answer(err error) {
	j.result <- err
	j.result = make(chan error, 1)
}

// worker runs one display.
type worker struct {
	Named
	report   func(string, error)
	noted    func()
	jobs     chan job // holds the newest one
	closeErr error    // set when run has returned

	mu    sync.Mutex // guards what follows
	tried bool       // it was given a screen, and has shown it or failed
	err   error      // of the last one
	since time.Time  // since when there is one
}

// give replaces a job that still waits. Only Multi.Show calls it, one at a time.
func (w *worker) give(j job) {
	select {
	case <-w.jobs:
	default:
	}
	w.jobs <- j
}

func (w *worker) run(quit <-chan struct{}) {
	defer func() { w.closeErr = w.Close() }()
	var last job
	var failing bool
	retry, turn, echo := stopped(), stopped(), stopped()
	turner, turns := w.Display.(Turner)
	for {
		act := func() error { return w.Show(last.screen) }
		select {
		case <-quit:
			return
		case last = <-w.jobs:
			if echo.Stop(); w.mayWait(last.screen) {
				echo.Reset(echoAfter)
				last.answer(nil)
				continue
			}
		case <-retry.C:
		case <-echo.C:
		case <-turn.C:
			act = turner.Turn
		}
		err := act()
		w.note(err, &failing)
		retry.Stop()
		turn.Stop()
		switch {
		case err != nil:
			retry.Reset(retryEvery)
		case turns:
			turn.Reset(turnEvery)
		}
		last.answer(err)
	}
}

// mayWait reports whether the next screen is likely to come before this one could be read.
func (w *worker) mayWait(s Screen) bool {
	_, slow := w.Display.(Slow)
	return slow && s.Echo && w.works()
}

// stopped is a timer that waits to be set.
func stopped() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

// note keeps the display's state and reports a change of it.
func (w *worker) note(err error, failing *bool) {
	w.mu.Lock()
	switch {
	case err == nil:
		w.since = time.Time{}
	case w.err == nil:
		w.since = time.Now()
	}
	w.tried, w.err = true, err
	w.mu.Unlock()
	w.noted()
	if (err != nil) != *failing {
		*failing = err != nil
		w.report(w.Spec, err)
	}
}

func (w *worker) works() bool {
	if _, blind := w.Display.(none); blind {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.tried && w.err == nil
}
