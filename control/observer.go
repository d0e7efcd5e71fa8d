package control

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// The times of an Observer.
const (
	defaultEvery = 30 * time.Second
	lookLimit    = 10 * time.Second      // for a thing to say what it is
	lookPause    = 20 * time.Millisecond // between two looks: a thing that flaps keeps no processor busy
	answerLimit  = 15 * time.Second      // for the answer to a run to wait for the state after it
)

// Observer keeps the states of commands: each is looked at at the start, after each run of its command, when its thing says that it has
// changed, and from time to time; never twice at once.
type Observer struct {
	states *States
	log    *slog.Logger
	things []*thing
}

// NewObserver returns an observer that notes in states what it sees. A nil logger means silence; it is told when a state
// becomes unknown, for each reason once, and when it is known again.
func NewObserver(states *States, log *slog.Logger) *Observer {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Observer{states: states, log: log}
}

// Observe takes a command that has a state into its care, before Run. The command that it returns has its state looked at after each run,
// and in its result.
func (o *Observer) Observe(c Command) Command {
	if c.State == nil {
		return c
	}
	t := &thing{observer: o, name: c.Name, source: *c.State, asked: make(chan struct{}, 1)}
	if t.source.Every <= 0 {
		t.source.Every = defaultEvery
	}
	o.things = append(o.things, t)
	run := c.Run
	c.Run = func(ctx context.Context, call Call) (Result, error) {
		res, err := run(ctx, call)
		switch {
		case err != nil:
			t.ask()
		case res.State == nil:
			if state, ok := t.after(ctx); ok {
				res.State = &state
			}
		}
		return res, err
	}
	return c
}

// Run looks until ctx ends.
func (o *Observer) Run(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	for _, t := range o.things {
		all.Go(func() { t.run(ctx) })
	}
}

// thing is what one command controls.
type thing struct {
	observer *Observer
	name     string
	source   StateSource
	asked    chan struct{} // holds one token: have a look

	mu      sync.Mutex  // guards what follows
	waiting []chan bool // each gets true after the next look, or is closed without one
	ended   bool

	reason string // why the state is unknown, as the log has it; of run alone
}

// ask asks for a look, and does not wait for it.
func (t *thing) ask() {
	select {
	case t.asked <- struct{}{}:
	default: // it was asked for already
	}
}

// after returns the state as it is after now.
func (t *thing) after(ctx context.Context) (State, bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerLimit) // a run may have used up its own time
	defer cancel()
	seen := make(chan bool, 1)
	t.mu.Lock()
	if t.ended {
		t.mu.Unlock()
		return State{}, false
	}
	t.waiting = append(t.waiting, seen)
	t.mu.Unlock()
	t.ask()
	select {
	case ok := <-seen:
		state, known := t.observer.states.Get(t.name)
		return state, ok && known
	case <-ctx.Done():
		return State{}, false // it is told when it is seen
	}
}

func (t *thing) run(ctx context.Context) {
	defer t.end()
	if t.source.Subscribe != nil {
		defer t.source.Subscribe(t.ask)()
	}
	for ctx.Err() == nil {
		waiting := t.takeWaiting()
		t.look(ctx)
		for _, seen := range waiting {
			seen <- ctx.Err() == nil
		}
		sleep(ctx, lookPause)
		timer := time.NewTimer(t.source.Every)
		select {
		case <-ctx.Done():
		case <-t.asked:
		case <-timer.C:
		}
		timer.Stop()
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// look asks the thing what it is.
func (t *thing) look(ctx context.Context) {
	within, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	state, err := t.source.Read(within)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		why, _, _ := strings.Cut(err.Error(), "\n")
		state = State{Unknown: why}
	}
	state = state.cleaned()
	t.note(state.Unknown)
	t.observer.states.Set(t.name, state)
}

// note says in the log why the state is unknown, or that it no longer is.
func (t *thing) note(reason string) {
	switch {
	case reason == t.reason:
		return
	case reason == "":
		t.observer.log.Info("state is known again", "command", t.name)
	default:
		t.observer.log.Warn("state is unknown", "command", t.name, "err", reason)
	}
	t.reason = reason
}

func (t *thing) takeWaiting() []chan bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	waiting := t.waiting
	t.waiting = nil
	return waiting
}

// end lets everybody go who still waits.
func (t *thing) end() {
	t.mu.Lock()
	t.ended = true
	t.mu.Unlock()
	for _, seen := range t.takeWaiting() {
		close(seen)
	}
}
