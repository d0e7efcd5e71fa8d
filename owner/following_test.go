package owner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"xtls-agent/control"
	"xtls-agent/control/journal"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/disco"
	"xtls-agent/xmpp/linktest"
	"xtls-agent/xtls"
)

// A home has a device, to which these tests open sessions, and cut them.
type home struct {
	t      *testing.T
	names  []string // of the commands
	states *control.States
	memory *journal.Journal // nil: the device remembers no calls
	runs   atomic.Int32
	takes  time.Duration // of a command
	mute   atomic.Bool   // what its owner says from now on is lost

	mu    sync.Mutex // guards all below
	err   error      // of the next attempts
	tries []time.Time
	line  xmpp.Link // of the device, in the session that is open
}

func newHome(t *testing.T) *home {
	return &home{t: t, names: []string{"lamp"}, states: control.NewStates(),
		memory: journal.Open(journal.Nowhere{}, nil, true, time.Now, slog.New(slog.DiscardHandler))}
}

// follow follows the device until the test's bubble ends.
func (h *home) follow(cfg Follow) *Following {
	cfg.Open = h.open
	cfg.Jitter = func() float64 { return 0.5 } // a pause is what it says
	f := NewFollowing(cfg)
	h.t.Cleanup(f.Close)
	return f
}

// deafLink loses what is said while its home is mute.
type deafLink struct {
	xmpp.Link
	home *home
}

func (l deafLink) WriteStanza(st *xmpp.Stanza) error {
	if l.home.mute.Load() {
		return nil
	}
	return l.Link.WriteStanza(st)
}

// open is what a Following opens a session by.
func (h *home) open(ctx context.Context) (*Session, func(), error) {
	mine, its := linktest.Pipe(me.Bare().String(), box.Bare().String())
	if err := h.try(its); err != nil {
		return nil, nil, err
	}
	leave := h.serve(its)
	s := newSession(&xtls.Conn{Peer: box}, deafLink{mine, h}, nil)
	s.served.Go(func() { _ = s.session.Serve(context.Background()) })
	if err := s.Ping(ctx); err != nil {
		s.Close()
		leave()
		return nil, nil, err
	}
	return s, leave, nil
}

// try notes an attempt, and returns what it ends with.
func (h *home) try(line xmpp.Link) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tries = append(h.tries, time.Now())
	h.line = line
	return h.err
}

// serve is the device's part of a session, until it is left.
func (h *home) serve(line xmpp.Link) (leave func()) {
	commands := control.NewRegistry(nil)
	if h.memory != nil {
		commands.Remember(h.memory)
	}
	for _, name := range h.names {
		if err := commands.Add(control.Command{Name: name, Run: h.run}); err != nil {
			h.t.Error(err)
		}
	}
	device := xmpp.NewSession(line, nil)
	registry := disco.NewRegistry("urn:test", disco.Info{})
	disco.Serve(device, registry)
	device.HandlePing()
	commands.Mount(device, registry, control.Actor{Owner: me.Bare(), Fingerprint: "f"})
	told := h.states.Mount(device)
	var served sync.WaitGroup
	served.Go(func() { _ = device.Serve(context.Background()) })
	served.Go(told.Run)
	return func() {
		_ = device.Close()
		served.Wait()
		h.t.Cleanup(commands.Close) // what runs goes on
	}
}

func (h *home) run(context.Context, control.Call) (control.Result, error) {
	n := h.runs.Add(1)
	time.Sleep(h.takes)
	return control.Result{Output: fmt.Sprint("run ", n)}, nil
}

// fail lets the next attempts end with err; nil: not any more.
func (h *home) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = err
}

// cut cuts the line of the session that is open.
func (h *home) cut() {
	h.mu.Lock()
	defer h.mu.Unlock()
	_ = h.line.Close()
}

func (h *home) tried() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.tries)
}

// heard collects what a Following tells, in words.
type heard struct {
	mu    sync.Mutex // guards words
	words []string
}

// hear hears f until it is over, or the test is.
func hear(t *testing.T, f *Following) *heard {
	h, done := new(heard), make(chan struct{})
	go func() {
		defer close(done)
		for e := range f.Watch(context.Background()) {
			h.mu.Lock()
			if h.words = append(h.words, string(e.Standing)); e.Standing == "" {
				h.words[len(h.words)-1] = e.Command + " " + e.State.String()
			}
			h.mu.Unlock()
		}
	}()
	t.Cleanup(func() { f.Close(); <-done })
	return h
}

// take returns what was told since it was asked last, once nothing more comes by itself.
func (h *heard) take() []string {
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	words := h.words
	h.words = nil
	return words
}

// sleep lets time pass, and all that happens in it.
func sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func want(t *testing.T, what string, got []string, words ...string) {
	t.Helper()
	if !slices.Equal(got, words) {
		t.Errorf("%s: told %q, want %q", what, got, words)
	}
}

// Sessions come and go; how it stands is told, and each state once: again only if it has changed.
func TestFollowing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHome(t)
		h.names = []string{"lamp", "door"}
		h.states.Set("lamp", State{Word: "on"})
		h.states.Set("door", State{Word: "shut"})
		f := h.follow(Follow{})
		said := hear(t, f)
		first := said.take()
		slices.Sort(first[1:]) // what is told of two commands has no order
		want(t, "at first", first, "connected", "door shut", "lamp on")
		h.states.Set("lamp", State{Word: "off"})
		sleep(time.Second)
		want(t, "a change", said.take(), "lamp off")

		h.cut()
		want(t, "a cut", said.take(), "reconnecting")
		sleep(time.Second)
		want(t, "after it", said.take(), "connected")

		h.fail(ErrUnreachable)
		h.cut()
		sleep(10 * time.Minute)
		want(t, "a device that is off", said.take(), "reconnecting", "offline")
		if err := f.Err(); !errors.Is(err, ErrUnreachable) {
			t.Errorf("it is off since %v", err)
		}
		h.states.Set("door", State{Word: "open"})
		h.names = []string{"door"} // the lamp was taken out of its configuration
		h.states = control.NewStates()
		h.states.Set("door", State{Word: "open"})
		h.fail(nil)
		sleep(2 * lastPause)
		changed := said.take()
		slices.Sort(changed[1:])
		want(t, "a device that was changed", changed, "connected", "door open", "lamp unknown: the device has no such command any more")

		h.fail(fmt.Errorf("x: %w", ErrRefused))
		h.cut()
		sleep(time.Second)
		want(t, "a device that has removed its owner", said.take(), "reconnecting", "over")
		if _, err := f.Session(t.Context()); !errors.Is(err, ErrRefused) {
			t.Errorf("a session after the end: %v", err)
		}
		<-f.Done()
	})
}

// Who begins to listen late is told what is known.
func TestWatchBeginsWithWhatIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHome(t)
		h.states.Set("lamp", State{Word: "on"})
		f := h.follow(Follow{})
		sleep(time.Hour)
		want(t, "late", hear(t, f).take(), "connected", "lamp on")
	})
}

// What is wrong with a first attempt, and what becomes of it.
func TestFirstAttempt(t *testing.T) {
	cut := fmt.Errorf("%w: %w", xmpp.ErrClosed, io.ErrUnexpectedEOF)
	for name, c := range map[string]struct {
		err   error
		await bool
		again bool
	}{
		"cut":                      {cut, false, true},
		"stood still":              {ErrStalled, false, true},
		"the device is off":        {ErrUnreachable, false, false},
		"nobody listens":           {&UnreachableError{Addr: "lan", Err: io.EOF}, false, false},
		"off, and waited for":      {ErrUnreachable, true, true},
		"refused":                  {ErrRefused, true, false},
		"another identity":         {ErrNotAuthentic, true, false},
		"does not know its owner":  {ErrNotKnown, true, false},
		"not paired":               {ErrNotPaired, true, false},
		"the password was changed": {ErrNotAuthorized, true, false},
		"logged in elsewhere":      {xmpp.ErrConflict, true, false},
		"wrong usage":              {errUsage, true, false},
		"something else":           {errors.New("no room"), false, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHome(t)
				h.fail(c.err)
				f := h.follow(Follow{Await: c.await, Final: func(err error) bool { return errors.Is(err, errUsage) }})
				sleep(10 * time.Second)
				if again := h.tried() > 1; again != c.again {
					t.Errorf("tried %d times", h.tried())
				}
				h.fail(nil)
				s, err := f.Session(t.Context())
				if (s != nil) != c.again || !c.again && !errors.Is(err, c.err) {
					t.Errorf("%v, %v", s, err)
				}
			})
		})
	}
}

var errUsage = errors.New("usage")

// A first session is not tried for ever, if nobody waits for the device, nor one that comes later, if patience has an end.
func TestPatienceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHome(t)
		h.fail(ErrStalled)
		f := h.follow(Follow{Patience: time.Hour})
		begun := time.Now()
		<-f.Done()
		if took := time.Since(begun); took < firstPatience || took > 2*firstPatience || !errors.Is(f.Err(), ErrStalled) {
			t.Errorf("%v after %v", f.Err(), took)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		h := newHome(t)
		f := h.follow(Follow{Patience: 10 * time.Minute})
		sleep(time.Minute)
		h.fail(ErrUnreachable)
		h.cut()
		begun := time.Now()
		<-f.Done()
		if took := time.Since(begun); took < 10*time.Minute || took > 12*time.Minute || !errors.Is(f.Err(), ErrUnreachable) {
			t.Errorf("%v after %v", f.Err(), took)
		}
	})
}

// The longer a device is away the more seldom it is looked for; a sign that it is worth it ends the wait.
func TestPausesGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHome(t)
		var network signal
		f := h.follow(Follow{Changed: network.changed})
		sleep(time.Minute)
		h.fail(ErrUnreachable)
		h.cut()
		sleep(time.Hour)
		if n := h.tried(); n < 60 || n > 75 {
			t.Errorf("%d attempts in an hour", n)
		}
		h.fail(nil)
		network.announce()
		synctest.Wait()
		if s, err := f.Session(t.Context()); s == nil || time.Since(h.tries[len(h.tries)-1]) > 0 {
			t.Errorf("not tried at once: %v", err)
		}
	})
}

// A device that opens sessions and ends them is no reason to hurry.
func TestSessionsThatDoNotLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHome(t)
		f := h.follow(Follow{})
		for end := time.Now().Add(time.Hour); time.Now().Before(end); {
			if _, err := f.Session(t.Context()); err != nil {
				t.Fatal(err)
			}
			h.cut()
			synctest.Wait()
		}
		if n := h.tried(); n > 750 {
			t.Errorf("%d sessions in an hour", n)
		}
	})
}

// Days of cuts, of a device that is switched off and on, and of changes leave nothing behind, and nothing is told twice.
func TestDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHome(t)
		h.memory = nil
		f := h.follow(Follow{})
		said := hear(t, f)
		sleep(time.Hour)
		said.take()
		before, last := runtime.NumGoroutine(), ""
		for i := range 500 { // three days and a half
			h.fail(nil)
			if i%3 == 0 {
				h.fail(ErrUnreachable)
			}
			h.states.Set("lamp", State{Word: fmt.Sprint("level ", i/2)})
			h.cut()
			sleep(5 * time.Minute)
			h.fail(nil)
			sleep(5 * time.Minute)
			for _, word := range said.take() {
				if word == last {
					t.Fatalf("told twice: %q", word)
				}
				if last = word; strings.HasPrefix(word, "lamp") && word != fmt.Sprint("lamp level ", i/2) {
					t.Fatalf("told %q in round %d", word, i)
				}
			}
		}
		if after := runtime.NumGoroutine(); after > before+5 { // some of them end just now
			t.Errorf("%d goroutines before, %d after", before, after)
		}
	})
}
