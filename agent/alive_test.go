package agent

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"xtls-agent/trust"
)

// A device that could not tell how it is doing does not say that it is alive.
func TestAliveIsWhoAnswers(t *testing.T) {
	l := stillborn(t, trust.NewMemStore())
	var hung atomic.Bool
	stuck := make(chan struct{})
	beats := make(chan struct{})
	l.env.AliveEvery, l.env.Alive = time.Millisecond, func() { beats <- struct{}{} }
	l.env.Now = func() time.Time {
		if hung.Load() {
			<-stuck
		}
		return time.Now()
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- l.awaitEnd(ctx) }()
	<-beats
	<-beats
	hung.Store(true)
	// One more may be under way already.
	after := 0
	for quiet := time.After(100 * time.Millisecond); ; {
		select {
		case <-beats:
			after++
			continue
		case <-quiet:
		}
		break
	}
	if after > 1 {
		t.Errorf("it said %d times that it is alive, and was hung", after)
	}
	cancel()
	close(stuck)
	for {
		select {
		case <-beats:
			continue
		case err := <-done:
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}
		return
	}
}
