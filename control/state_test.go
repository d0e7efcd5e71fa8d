package control_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"xtls-agent/control"
	"xtls-agent/xmpp/form"
)

func TestStateInWords(t *testing.T) {
	for want, s := range map[string]control.State{
		"on":                          {Word: "on"},
		"on, pulsing":                 {Word: "on", Motion: "pulsing"},
		"blinking":                    {Word: "off", Motion: "blinking"},
		"unknown: GPIO27 is in use":   {Unknown: "GPIO27 is in use"},
		"21.5 °C, and rising rapidly": {Word: "21.5 °C, and rising rapidly"},
	} {
		if got := s.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// words are reports in a line each.
func words(reports []control.Report) (out []string) {
	for _, r := range reports {
		out = append(out, r.Command+": "+r.State.String())
	}
	return out
}

func set(s *control.States, command, word string) { s.Set(command, control.State{Word: word}) }

// Who watches is told each command's latest, and what he was told already not again.
func TestWatcherTakesTheLatest(t *testing.T) {
	s := control.NewStates()
	set(s, "lamp", "off")
	w := s.Watch()
	take := func(want ...string) {
		t.Helper()
		if got := words(w.Take(10)); !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	<-w.Changed()
	take("lamp: off")
	for i := range 1000 {
		set(s, "lamp", fmt.Sprint(i))
		set(s, "door", "shut")
	}
	<-w.Changed()
	take("door: shut", "lamp: 999")
	set(s, "lamp", "on")
	set(s, "lamp", "999")
	take() // it is what it was
	s.Set("lamp", control.State{Word: "on", Motion: "blinking"})
	s.Set("lamp", control.State{Word: "off", Motion: "blinking"})
	take("lamp: blinking")
	s.Set("lamp", control.State{Word: "on", Motion: "blinking"})
	take()
	w.Stop()
	set(s, "lamp", "off")
	take()
}

// A state that flaps keeps no other from being told.
func TestTakeIsFair(t *testing.T) {
	s := control.NewStates()
	for i := range 10 {
		set(s, fmt.Sprint(i), "off")
	}
	w, seen := s.Watch(), make(map[string]bool)
	for i := range 10 {
		set(s, "0", fmt.Sprint(i))
		for _, r := range w.Take(2) {
			seen[r.Command] = true
		}
	}
	if len(seen) != 10 {
		t.Errorf("told of %v only", seen)
	}
}

// gauge is a thing whose state is asked for.
type gauge struct {
	looks, atOnce, most atomic.Int32
	takes               time.Duration

	mu      sync.Mutex // guards what follows
	word    string
	err     error
	changed func()
}

func (g *gauge) set(word string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.word, g.err = word, err
	if g.changed != nil {
		g.changed()
	}
}

func (g *gauge) read(ctx context.Context) (control.State, error) {
	g.looks.Add(1)
	if n := g.atOnce.Add(1); n > g.most.Load() {
		g.most.Store(n)
	}
	defer g.atOnce.Add(-1)
	select {
	case <-time.After(g.takes):
	case <-ctx.Done():
		return control.State{}, errors.New("it did not finish in time")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return control.State{Word: g.word}, g.err
}

func (g *gauge) subscribe(changed func()) (stop func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.changed = changed
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.changed = nil
	}
}

// observe runs a test with a command "heat" that sets a gauge, in a time of its own.
func observe(t *testing.T, g *gauge, test func(s *control.States, heat control.Command, log *bytes.Buffer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		log, s := new(bytes.Buffer), control.NewStates()
		o := control.NewObserver(s, slog.New(slog.NewTextHandler(log, nil)))
		heat := o.Observe(control.Command{
			Name: "heat", State: &control.StateSource{Read: g.read, Every: time.Minute, Subscribe: g.subscribe},
			Run: func(_ context.Context, c control.Call) (control.Result, error) {
				g.mu.Lock()
				defer g.mu.Unlock()
				g.word = c.Values.Get("to")
				return control.Result{Output: "ok"}, nil
			},
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { o.Run(ctx); close(done) }()
		synctest.Wait()
		test(s, heat, log)
		cancel()
		<-done
	})
}

func wantState(t *testing.T, s *control.States, want string) {
	t.Helper()
	synctest.Wait()
	if got, ok := s.Get("heat"); !ok || got.String() != want {
		t.Errorf("%q, %t, want %q", got, ok, want)
	}
}

// A state is looked at at the start, after each run, when the thing says that it has changed, and from time to time.
func TestObserver(t *testing.T) {
	g := &gauge{word: "cold"}
	observe(t, g, func(s *control.States, heat control.Command, _ *bytes.Buffer) {
		wantState(t, s, "cold")
		res, err := heat.Run(t.Context(), control.Call{Values: form.Values{"to": {"warm"}}})
		if err != nil || res.Output != "ok" || res.State == nil || res.State.Word != "warm" {
			t.Errorf("%+v, %v", res, err)
		}
		wantState(t, s, "warm")
		g.set("hot", nil)
		time.Sleep(50 * time.Millisecond)
		wantState(t, s, "hot")
		g.mu.Lock()
		g.word = "cool"
		g.mu.Unlock()
		time.Sleep(59 * time.Second)
		wantState(t, s, "hot")
		time.Sleep(2 * time.Second)
		wantState(t, s, "cool")
	})
}

// A state that cannot be had is said once for each reason, and is looked for again; the command works.
func TestStateUnknown(t *testing.T) {
	g := &gauge{err: errors.New("no gauge\nat all")}
	observe(t, g, func(s *control.States, heat control.Command, log *bytes.Buffer) {
		wantState(t, s, "unknown: no gauge")
		res, err := heat.Run(t.Context(), control.Call{Values: form.Values{"to": {"warm"}}})
		if err != nil || res.State == nil || res.State.Unknown != "no gauge" {
			t.Errorf("%+v, %v", res, err)
		}
		time.Sleep(time.Hour)
		g.set("", errors.New("no power"))
		time.Sleep(time.Hour)
		g.set("warm", nil)
		time.Sleep(time.Hour)
		wantState(t, s, "warm")
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		want := []string{"no gauge", "no power", "known again"}
		if !slices.EqualFunc(lines, want, strings.Contains) {
			t.Errorf("log %q", lines)
		}
	})
}

// Looks at one thing never overlap, a flapping one costs no more than 50 looks a second, and who runs a command has its answer.
func TestLooksDoNotOverlap(t *testing.T) {
	g := &gauge{word: "cold", takes: 300 * time.Millisecond}
	observe(t, g, func(s *control.States, heat control.Command, _ *bytes.Buffer) {
		var runs sync.WaitGroup
		for i := range 8 {
			runs.Go(func() {
				time.Sleep(time.Duration(i) * 100 * time.Millisecond)
				res, err := heat.Run(t.Context(), control.Call{Values: form.Values{"to": {"warm"}}})
				if err != nil || res.State == nil || res.State.Word != "warm" {
					t.Errorf("%+v, %v", res, err)
				}
			})
		}
		runs.Wait()
		if g.most.Load() != 1 {
			t.Errorf("%d looks at once", g.most.Load())
		}
	})
	g = &gauge{word: "cold"}
	observe(t, g, func(s *control.States, _ control.Command, _ *bytes.Buffer) {
		for i := range 1000 {
			g.set(fmt.Sprint(i), nil)
			time.Sleep(time.Millisecond)
		}
		time.Sleep(50 * time.Millisecond)
		wantState(t, s, "999")
		if n := g.looks.Load(); n > 55 {
			t.Errorf("%d looks in a second", n)
		}
	})
}

// A thing that never says what it is holds up neither the answer to a run for long, nor the end.
func TestLookIsBounded(t *testing.T) {
	g := &gauge{takes: time.Hour}
	observe(t, g, func(s *control.States, heat control.Command, _ *bytes.Buffer) {
		start := time.Now()
		res, err := heat.Run(t.Context(), control.Call{})
		if took := time.Since(start); err != nil || res.Output != "ok" || took > 16*time.Second {
			t.Errorf("%+v, %v after %v", res, err, took)
		}
		time.Sleep(30 * time.Second)
		wantState(t, s, "unknown: it did not finish in time")
	})
	observe(t, g, func(*control.States, control.Command, *bytes.Buffer) {}) // ends at once
}

// deaf is a thing that does not even end with its context.
type deaf struct{ *gauge }

func (d deaf) read(ctx context.Context) (control.State, error) {
	return d.gauge.read(context.WithoutCancel(ctx))
}

// A run is answered although its thing does not say what it is.
func TestAnswerDoesNotWaitForTheState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := control.NewStates()
		o := control.NewObserver(s, nil)
		heat := o.Observe(control.Command{
			Name: "heat", State: &control.StateSource{Read: deaf{&gauge{takes: time.Hour}}.read},
			Run: func(context.Context, control.Call) (control.Result, error) { return control.Result{Output: "ok"}, nil },
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { o.Run(ctx); close(done) }()
		start := time.Now()
		res, err := heat.Run(t.Context(), control.Call{})
		if took := time.Since(start); err != nil || res.Output != "ok" || res.State != nil || took > 16*time.Second {
			t.Errorf("%+v, %v after %v", res, err, took)
		}
		cancel()
		<-done
	})
}
