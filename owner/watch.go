package owner

import (
	"context"
	"iter"
)

// watchAtOnce is how many reports Watch takes from the session at once.
const watchAtOnce = 16

// States returns what the device has told of its commands' states so far. What it knew when the session opened is there as soon as it
// has answered anything: Commands, say.
func (s *Session) States() []Report { return s.states.All() }

// Watch returns the states of the device's commands: first what is known, then each change, as the device tells it. It ends with ctx, and
// with the session; Done tells which.
//
//	for report := range session.Watch(ctx) {
//		fmt.Println(report.Command, report.State) // "lamp on"
//	}
//
// It runs on the caller's goroutine, and keeps no more than the latest state of each command: who is slow misses what was in between,
// and the last one never.
func (s *Session) Watch(ctx context.Context) iter.Seq[Report] {
	return func(yield func(Report) bool) {
		w := s.states.Watch()
		defer w.Stop()
		for ended := false; !ended; {
			select {
			case <-w.Changed():
			case <-ctx.Done():
				return
			case <-s.Done(): // what came just before still counts
				ended = true
			}
			for reports := w.Take(watchAtOnce); len(reports) > 0; reports = w.Take(watchAtOnce) {
				for _, r := range reports {
					if ctx.Err() != nil || !yield(r) {
						return
					}
				}
			}
		}
	}
}
