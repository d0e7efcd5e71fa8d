package faults

import (
	"context"
	"time"

	"xtls-agent/internal/testpeer"
)

// silent is how long a fault waits for its byte on a line on which nothing moves, before it begins without.
const silent = 500 * time.Millisecond

// Play does to a relay what the plan says, one fault after another, until ctx ends; then the line is good again. began is told of each
// fault when it has begun, and how many sound connections it met; may be nil. A relay has one plan at a time, and nobody else who calls
// its After.
func Play(ctx context.Context, r *testpeer.Relay, p *Plan, began func(f Fault, met int)) {
	defer heal(r)
	for {
		f := p.Next()
		if !sleep(ctx, f.Pause) {
			return
		}
		met, ok := strike(ctx, r, f)
		if !ok {
			return
		}
		if began != nil {
			began(f, met)
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

// strike begins a fault at its byte, and returns how many connections it met.
func strike(ctx context.Context, r *testpeer.Relay, f Fault) (met int, ok bool) {
	there := make(chan struct{})
	forget := r.After(f.Way, f.After, func() {
		met = do(r, f)
		close(there)
	})
	late := time.NewTimer(silent)
	defer late.Stop()
	select {
	case <-there:
		return met, true
	case <-late.C:
	case <-ctx.Done():
	}
	if forget() {
		if ctx.Err() != nil {
			return 0, false
		}
		return do(r, f), true
	}
	<-there // it begins just now
	return met, ctx.Err() == nil
}

func do(r *testpeer.Relay, f Fault) (met int) {
	met = r.Sound()
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
	return met
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
