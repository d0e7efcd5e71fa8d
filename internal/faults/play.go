package faults

import (
	"context"
	"time"

	"xtls-agent/internal/testpeer"
)

// silent is how long a fault waits for its byte on a line on which nothing moves, before it begins without.
const silent = 500 * time.Millisecond

// Play does to a relay what the plan says, one fault after another, until ctx ends; then the line is good again. began is told of each
// fault when it has begun; may be nil. A relay has one plan at a time, and nobody else who calls its After.
func Play(ctx context.Context, r *testpeer.Relay, p *Plan, began func(Fault)) {
	defer heal(r)
	for {
		f := p.Next()
		if !sleep(ctx, f.Pause) || !strike(ctx, r, f) {
			return
		}
		if began != nil {
			began(f)
		}
		lasts := f.Kind == Stall || f.Line != testpeer.Line{}
		if lasts && !sleep(ctx, f.Lasts) {
			return
		}
		heal(r)
	}
}

// heal ends what is for a while.
func heal(r *testpeer.Relay) {
	r.Thaw()
	r.Bend(testpeer.Line{})
}

// strike begins a fault at its byte.
func strike(ctx context.Context, r *testpeer.Relay, f Fault) bool {
	there := make(chan struct{})
	forget := r.After(f.Way, f.After, func() {
		do(r, f)
		close(there)
	})
	late := time.NewTimer(silent)
	defer late.Stop()
	select {
	case <-there:
		return true
	case <-late.C:
	case <-ctx.Done():
	}
	if forget() {
		if ctx.Err() != nil {
			return false
		}
		do(r, f)
		return true
	}
	<-there // it begins just now
	return ctx.Err() == nil
}

func do(r *testpeer.Relay, f Fault) {
	switch f.Kind {
	case Cut:
		r.Cut()
	case Reset:
		r.Reset()
	case HalfOpen:
		r.Swallow(f.Ways...)
	case Stall:
		r.Freeze()
	case Throttle, Delay, Split:
		r.Bend(f.Line)
	case Corrupt:
		r.Flip(f.Way, f.Bits)
	}
}

// sleep reports whether the time has passed, and not ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
