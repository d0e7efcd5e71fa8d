package owner

import (
	"context"
	"iter"
	"slices"
	"time"
)

// Event is what has changed with a device that is followed: how it stands with it, or the state of one of its commands.
type Event struct {
	Time     time.Time // when it was noticed here
	Standing Standing  // "" where it is a command's state
	Err      error     // why it is not Connected
	Report             // the state of a command
}

// Watch tells how it stands with the device, and the states of its commands: first what is known, then each change. It ends with ctx, and
// when the device is not followed any more, which is told as Over; Err says why.
//
// Each state is told once: after a session has been opened again only what has changed meanwhile. While it is not Connected the states
// are those of the last session. Of a command that the device has no more, the state becomes unknown.
//
// It runs on the caller's goroutine and keeps no more than the latest of each: who is slow misses what was in between, and the last one
// never.
func (f *Following) Watch(ctx context.Context) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		w := f.states.Watch()
		defer w.Stop()
		told := Connecting // nothing has happened yet
		reports := func() bool {
			for list := w.Take(watchAtOnce); len(list) > 0; list = w.Take(watchAtOnce) {
				for _, r := range list {
					if ctx.Err() != nil || !yield(Event{Time: r.Since, Report: r}) {
						return false
					}
				}
			}
			return true
		}
		for {
			now, changed := f.event()
			if now.Standing != Connected && !reports() { // they came before
				return
			}
			if now.Standing != told && !yield(now) {
				return
			}
			told = now.Standing
			if !reports() || told == Over {
				return
			}
			select {
			case <-changed:
			case <-w.Changed():
			case <-ctx.Done():
				return
			}
		}
	}
}

// event tells how it stands, and returns a channel that is closed when that may have changed.
func (f *Following) event() (Event, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return Event{Time: f.since, Standing: f.standing, Err: f.why}, f.changed
}

// missCommands notes which commands a device has no more that has come back with another configuration: what is known of them is over.
func (f *Following) missCommands(ctx context.Context, s *Session) {
	items, err := s.Commands(ctx)
	if err != nil { // it has ended again, or does not say
		f.cfg.Log.Debug("asking a device for its commands again", "err", err)
		return
	}
	for _, known := range f.states.All() {
		if !slices.ContainsFunc(items, func(c Command) bool { return c.Node == known.Command }) {
			f.states.Note(Report{Command: known.Command, State: State{Unknown: "the device has no such command any more"}})
		}
	}
}
