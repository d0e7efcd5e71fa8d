package owner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"xtls-agent/control"
)

// Follow says which device is followed, and how.
type Follow struct {
	// Open opens a session with the device, by whatever way there is; it must heed its context, and give up in time by itself. release,
	// which may be nil, is called when the session has ended and is closed: for a link of its own, say. Open is not called again before.
	Open func(ctx context.Context) (s *Session, release func(), err error)

	// Final reports whether another attempt is of no use after an error of Open, besides those of [IsFinal]. Nil: none.
	Final func(err error) bool
	// Await has a device waited for that is not there at first, or whose server is not. Without it, that is the end; what is tried again is
	// an attempt whose line was lost, for half a minute.
	Await bool
	// Patience is for how long a device is looked for whose session has ended; 0: for ever.
	Patience time.Duration
	// Quiet is for how long nothing may come from the device before it is asked whether it is there. The default is a little more than
	// the time in which a device asks by itself.
	Quiet time.Duration

	// Changed returns a channel that is closed when it is worth trying now, or looking whether the device is still there: the network
	// has changed, or the device has shown itself. Nil: nobody says so.
	Changed func() <-chan struct{}
	// Notify hears of each change of how it stands; err is why it is not Connected. It must not block. May be nil.
	Notify func(s Standing, err error)

	Log    *slog.Logger   // nil: silence
	Jitter func() float64 // in [0, 1); nil: by chance
}

// Following stays with a device across sessions: when one has ended it opens another, for as long as that is of any use. What the device
// tells, and what it was asked, outlasts them: see Watch and CallOnce.
type Following struct {
	cfg    Follow
	states *control.States
	cancel context.CancelFunc
	over   chan struct{} // closed when it will open no session any more
	check  chan struct{} // holds one token: to look whether the device is still there
	run    sync.WaitGroup
	pause  time.Duration // before the next attempt; follow's alone

	mu       sync.Mutex // guards all below
	standing Standing
	since    time.Time
	why      error     // why it is not Connected
	session  *Session  // nil while there is none
	lost     time.Time // since when the line beneath session is, and may come back; zero: it is not
	falters  int       // how often it was
	changed  chan struct{}
}

// NewFollowing begins to follow a device, until Close.
func NewFollowing(cfg Follow) *Following {
	cfg = cfg.withDefaults()
	ctx, cancel := context.WithCancel(context.Background())
	f := &Following{
		cfg: cfg, states: control.NewStates(), cancel: cancel, over: make(chan struct{}), check: make(chan struct{}, 1),
		standing: Connecting, since: time.Now(), changed: make(chan struct{}),
	}
	f.run.Go(func() { f.follow(ctx) })
	return f
}

func (cfg Follow) withDefaults() Follow {
	if cfg.Quiet <= 0 {
		cfg.Quiet = quiet
	}
	if cfg.Changed == nil {
		cfg.Changed = func() <-chan struct{} { return nil }
	}
	if cfg.Final == nil {
		cfg.Final = func(error) bool { return false }
	}
	if cfg.Notify == nil {
		cfg.Notify = func(Standing, error) {}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Jitter == nil {
		cfg.Jitter = rand.Float64
	}
	return cfg
}

// Close ends the session, if there is one, and looks for no other.
func (f *Following) Close() {
	f.cancel()
	f.run.Wait()
}

// Done is closed when no session will be opened any more: after Close, or since it would be of no use. Err says why.
func (f *Following) Done() <-chan struct{} { return f.over }

// Err returns why there is no session, or nil while there is one.
func (f *Following) Err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.why
}

// Session returns the session that is open, and waits for one. Who uses it does not close it.
func (f *Following) Session(ctx context.Context) (*Session, error) {
	for {
		f.mu.Lock()
		s, why, changed := f.session, f.why, f.changed
		f.mu.Unlock()
		if s != nil && !s.ended() {
			return s, nil
		}
		select {
		case <-changed:
		case <-f.over:
			return nil, f.Err()
		case <-ctx.Done():
			if why == nil {
				return nil, context.Cause(ctx)
			}
			return nil, fmt.Errorf("%w: %w", why, context.Cause(ctx))
		}
	}
}

// Faltered notes that the line beneath the session is lost and may come back, as that of a link does that resumes its stream. Until
// Recovered the session is not given up for being silent; but for a minute at most, since there may be another way.
func (f *Following) Faltered(why error) {
	if f.enterIf(ended, why, func() bool {
		if f.session != nil {
			f.lost, f.falters = time.Now(), f.falters+1
		}
		return f.session != nil
	}) {
		f.Check()
	}
}

// Recovered notes that the line is back.
func (f *Following) Recovered() {
	if f.enterIf(opened, nil, func() bool {
		recovers := !f.lost.IsZero()
		f.lost = time.Time{}
		return recovers
	}) {
		f.Check()
	}
}

// Check has the device asked whether it is still there.
func (f *Following) Check() {
	select {
	case f.check <- struct{}{}:
	default: // it is about to be
	}
}

// follow is the life of a Following: one session after another.
func (f *Following) follow(ctx context.Context) {
	defer close(f.over)
	for first := true; ; first = false {
		s, release, err := f.open(ctx, first)
		if err != nil {
			f.enter(failed, err, nil)
			return
		}
		begun := time.Now()
		f.stay(ctx, s, first)
		f.pause = min(max(f.pause, firstPause), flapPause)
		if time.Since(begun) >= stable {
			f.pause = firstPause
		}
		if release != nil {
			release()
		}
	}
}

// How a device is reached again: not all of a house at once.
const (
	firstPause = 500 * time.Millisecond
	lastPause  = time.Minute
	// stable is how long a session must have lasted for its end to count as the first; of those that do not last, one is opened every
	// flapPause.
	stable    = 10 * time.Second
	flapPause = 5 * time.Second
	// firstPatience is for how long a first session is tried to open whose line is lost on the way.
	firstPatience = 30 * time.Second
)

// open opens a session. Its error is that there will be none.
func (f *Following) open(ctx context.Context, first bool) (*Session, func(), error) {
	awaited := f.cfg.Await || !first
	until := f.patience(awaited)
	for {
		changed := f.cfg.Changed() // from here on: an attempt that takes long does not hear of it
		if !f.rest(ctx, f.pause, changed) {
			return nil, nil, context.Cause(ctx)
		}
		f.pause = min(max(2*f.pause, firstPause), lastPause)
		s, release, err := f.cfg.Open(ctx)
		switch {
		case err == nil:
			return s, release, nil
		case ctx.Err() != nil:
			return nil, nil, context.Cause(ctx)
		case IsFinal(err), f.cfg.Final(err), !awaited && !isCut(err), time.Now().After(until):
			return nil, nil, err
		}
		f.cfg.Log.Debug("no session yet", "err", err)
		f.enter(turnOf(err), err, nil)
	}
}

// patience is until when to try.
func (f *Following) patience(awaited bool) time.Time {
	switch {
	case !awaited:
		return time.Now().Add(firstPatience)
	case f.cfg.Patience > 0:
		return time.Now().Add(f.cfg.Patience)
	}
	return time.Now().AddDate(100, 0, 0)
}

// turnOf is what an attempt that failed with err means.
func turnOf(err error) turn {
	if isMissing(err) {
		return missed
	}
	return ended
}

// rest waits for pause, more or less, or until it is worth trying. It reports whether ctx lasts.
func (f *Following) rest(ctx context.Context, pause time.Duration, changed <-chan struct{}) bool {
	timer := time.NewTimer(pause/2 + time.Duration(f.cfg.Jitter()*float64(pause)))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-changed:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// stay stays with a session to its end, and closes it.
func (f *Following) stay(ctx context.Context, s *Session, first bool) {
	f.enter(opened, nil, s)
	within, end := context.WithCancel(ctx)
	var beside sync.WaitGroup
	if !first {
		beside.Go(func() { f.missCommands(within, s) })
	}
	beside.Go(func() {
		for r := range s.Watch(context.Background()) { // ends with the session
			f.states.Note(r)
		}
	})
	beside.Go(func() { f.listen(within, s) })
	select {
	case <-s.Done():
	case <-ctx.Done():
	}
	end()
	s.Close()
	beside.Wait()
	if ctx.Err() == nil {
		f.enter(ended, errSessionEnded, nil)
	}
}

var errSessionEnded = errors.New("the session with the device has ended")

// enter notes that it comes to stand otherwise, with s, if there is a session.
func (f *Following) enter(t turn, why error, s *Session) {
	f.enterIf(t, why, func() bool {
		f.session, f.lost = s, time.Time{}
		return true
	})
}

// enterIf is the one place where it comes to stand otherwise: if so, which notes what comes with that and holds mu, says that it does.
func (f *Following) enterIf(t turn, why error, so func() bool) bool {
	f.mu.Lock()
	if !so() {
		f.mu.Unlock()
		return false
	}
	next, ok := f.standing.next(t)
	if ok {
		f.standing, f.since = next, time.Now()
	}
	f.why = why
	close(f.changed)
	f.changed = make(chan struct{})
	f.mu.Unlock()
	if ok {
		f.cfg.Notify(next, why)
	}
	return true
}

const (
	// quiet is more than the two minutes after which a device asks its owner for a sign of life.
	quiet = 150 * time.Second
	// A ping may stand behind a large stanza on a slow line; who has reason to doubt waits less.
	pingTimeout  = 45 * time.Second
	checkTimeout = 15 * time.Second
	// falterPatience is for how long a line may be lost before another way is looked for.
	falterPatience = time.Minute
)

// listen sees to it that a session ends whose device is silent, or whose line does not come back.
func (f *Following) listen(ctx context.Context, s *Session) {
	for {
		within, changed := pingTimeout, f.cfg.Changed()
		timer := time.NewTimer(f.untilLook(s))
		select {
		case <-timer.C:
		case <-changed:
			within = checkTimeout
		case <-f.check:
			within = checkTimeout
		case <-ctx.Done():
		}
		timer.Stop()
		lost, _ := f.line()
		switch {
		case ctx.Err() != nil:
			return
		case !lost.IsZero() && time.Since(lost) < falterPatience: // what is asked now waits for the line
		case lost.IsZero() && within == pingTimeout && time.Since(s.lastHeard()) < f.cfg.Quiet: // it was heard meanwhile
		case !lost.IsZero() || !f.answers(ctx, s, within):
			f.cfg.Log.Info("giving a session up", "lost", !lost.IsZero())
			s.end()
			return
		}
	}
}

// untilLook is when there is something to look at if nothing happens before.
func (f *Following) untilLook(s *Session) time.Duration {
	if lost, _ := f.line(); !lost.IsZero() {
		return time.Until(lost.Add(falterPatience))
	}
	return f.cfg.Quiet - time.Since(s.lastHeard())
}

// answers asks the device for a sign of life. If the line is lost meanwhile silence says nothing.
func (f *Following) answers(ctx context.Context, s *Session, within time.Duration) bool {
	_, before := f.line()
	limited, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	err := s.Ping(limited)
	if _, after := f.line(); err == nil || ctx.Err() != nil || after != before {
		s.hear()
		return true
	}
	f.cfg.Log.Info("the device is silent", "err", err)
	return false
}

// line says since when the line beneath the session is lost, and how often it was.
func (f *Following) line() (lost time.Time, times int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lost, f.falters
}
