package button_test

import (
	"bytes"
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

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpiotest"

	"xtls-agent/hw/button"
)

// wire is a line with a switch on it, high while nobody touches it.
type wire struct {
	gpiotest.Pin

	mu     sync.Mutex // guards what follows
	stuck  bool       // down whatever the pull says
	refuse error      // of open
	lost   error
	taken  bool
	pull   gpio.Pull
}

func newWire() *wire { return &wire{Pin: gpiotest.Pin{EdgesChan: make(chan gpio.Level)}} }

func (w *wire) env(log *bytes.Buffer) button.Env {
	return button.Env{
		Log: slog.New(slog.NewTextHandler(log, nil)),
		Pin: func(name string) (gpio.PinIO, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.refuse != nil {
				return nil, fmt.Errorf("%s: %w", name, w.refuse)
			}
			w.lost = nil
			return w, nil
		},
	}
}

func (w *wire) In(pull gpio.Pull, edge gpio.Edge) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.taken = true
	w.pull = pull
	err := w.Pin.In(pull, edge)
	if w.stuck {
		_ = w.Pin.Out(gpio.Low)
	}
	return err
}

func (w *wire) Halt() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.taken = false
	return nil
}

func (w *wire) Lost() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lost
}

func (w *wire) set(refuse, lost error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refuse, w.lost = refuse, lost
}

// press closes the switch for d, with n bounces at each end.
func (w *wire) press(d time.Duration, n int) {
	w.move(gpio.Low, n)
	time.Sleep(d)
	w.move(gpio.High, n)
	time.Sleep(50 * time.Millisecond)
}

// move lets the contact bounce within 10 ms, and come to rest at l.
func (w *wire) move(l gpio.Level, bounces int) {
	for range bounces {
		w.EdgesChan <- l
		time.Sleep(10 * time.Millisecond / time.Duration(2*bounces))
		w.EdgesChan <- !l
		time.Sleep(10 * time.Millisecond / time.Duration(2*bounces))
	}
	w.EdgesChan <- l
}

// waiting takes the events that wait.
func waiting(b button.Button) (all []button.Event) {
	synctest.Wait()
	for {
		select {
		case e := <-b.Events():
			all = append(all, e)
		default:
			return all
		}
	}
}

// onWire runs a test with a button on a wire, in a time of its own.
func onWire(t *testing.T, spec string, test func(t *testing.T, w *wire, b button.Button, log *bytes.Buffer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w, log := newWire(), new(bytes.Buffer)
		b := open(t, spec, w.env(log))
		synctest.Wait()
		test(t, w, b, log)
		if err := b.Close(); err != nil || w.taken {
			t.Errorf("after Close, %v, the line is taken: %t", err, w.taken)
		}
	})
}

func TestGPIO(t *testing.T) {
	onWire(t, "gpio:GPIO17", func(t *testing.T, w *wire, b button.Button, log *bytes.Buffer) {
		for _, c := range []struct {
			held    time.Duration
			bounces int
			want    []button.Event
		}{
			{100 * time.Millisecond, 0, []button.Event{button.Press}},
			{100 * time.Millisecond, 5, []button.Event{button.Press}},
			{100 * time.Millisecond, 100, []button.Event{button.Press}},
			{2900 * time.Millisecond, 100, []button.Event{button.Press}},
			{3100 * time.Millisecond, 100, []button.Event{button.Held, button.HoldUnlock}},
			{9900 * time.Millisecond, 100, []button.Event{button.Held, button.HoldUnlock}},
			{10100 * time.Millisecond, 100, []button.Event{button.Held, button.HoldWipe}},
			{time.Hour, 1, []button.Event{button.Held, button.HoldWipe}},
			{5 * time.Millisecond, 0, nil}, // a spark
		} {
			w.press(c.held, c.bounces)
			if got := waiting(b); !slices.Equal(got, c.want) {
				t.Errorf("held for %v with %d bounces: %v, want %v", c.held, c.bounces, got, c.want)
			}
		}
		if w.pull != gpio.PullUp || log.Len() > 0 {
			t.Errorf("pull %v, log %s", w.pull, log)
		}
	})
}

// Who tries a button is told how it moved.
func TestGPIOTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, moves := newWire(), make(chan button.Move, 10)
		env := w.env(new(bytes.Buffer))
		env.Trace = func(m button.Move) { moves <- m }
		b := open(t, "gpio:GPIO17", env)
		synctest.Wait()
		for _, bounces := range []int{0, 1, 7} {
			w.press(100*time.Millisecond, bounces)
			if down, up := <-moves, <-moves; down != (button.Move{Down: true, Bounces: bounces}) || up != (button.Move{Bounces: bounces}) {
				t.Errorf("%d bounces: %+v, %+v", bounces, down, up)
			}
		}
		w.press(5*time.Millisecond, 0) // a spark, which must not count as a bounce of what comes next
		w.press(100*time.Millisecond, 0)
		if down, up := <-moves, <-moves; down.Bounces != 0 || up.Bounces != 0 || len(moves) != 0 {
			t.Errorf("after a spark: %+v, %+v", down, up)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Who holds a button with a bad contact still holds it.
func TestGPIOChattersWhileHeld(t *testing.T) {
	onWire(t, "gpio:GPIO17", func(t *testing.T, w *wire, b button.Button, _ *bytes.Buffer) {
		w.move(gpio.Low, 3)
		for range 20 {
			time.Sleep(500 * time.Millisecond)
			w.move(gpio.Low, 1)
		}
		if got := waiting(b); !slices.Equal(got, []button.Event{button.Held, button.HoldWipe}) {
			t.Errorf("%v", got)
		}
		w.move(gpio.High, 3)
	})
}

func TestGPIOActiveHigh(t *testing.T) {
	onWire(t, "gpio:GPIO17?active=high", func(t *testing.T, w *wire, b button.Button, log *bytes.Buffer) {
		w.move(gpio.High, 2)
		time.Sleep(time.Second)
		w.move(gpio.Low, 2)
		time.Sleep(time.Second)
		if got := waiting(b); !slices.Equal(got, []button.Event{button.Press}) || w.pull != gpio.PullDown || log.Len() > 0 {
			t.Errorf("%v, pull %v, log %s", got, w.pull, log)
		}
	})
}

func TestGPIOPull(t *testing.T) {
	for spec, want := range map[string]gpio.Pull{
		"gpio:X?active=low&pull=up": gpio.PullUp, "gpio:X?pull=down": gpio.PullDown, "gpio:X?pull=none": gpio.Float,
		"gpio:X?active=high&pull=up": gpio.PullUp,
	} {
		onWire(t, spec, func(t *testing.T, w *wire, _ button.Button, _ *bytes.Buffer) {
			if w.pull != want {
				t.Errorf("%s pulls %v", spec, w.pull)
			}
		})
	}
}

// A button that is down when the device starts, or wired the wrong way round, wipes nothing.
func TestGPIOStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, log := newWire(), new(bytes.Buffer)
		w.stuck = true
		b := open(t, "gpio:GPIO17", w.env(log))
		time.Sleep(time.Minute)
		if got := waiting(b); got != nil {
			t.Errorf("%v", got)
		}
		if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), "down already") {
			t.Errorf("log %s", log)
		}
		if s := button.States(b); len(s) != 1 || s[0].Err == nil || time.Since(s[0].Since).Round(time.Second) != time.Minute {
			t.Errorf("states %v", s)
		}
		w.move(gpio.High, 3)
		time.Sleep(time.Second)
		if s := button.States(b); s[0].Err != nil {
			t.Errorf("after it was let go: states %v", s)
		}
		w.press(time.Second, 3)
		if got := waiting(b); !slices.Equal(got, []button.Event{button.Press}) {
			t.Errorf("after it was let go: %v", got)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
}

// What cannot be had is said once, tried again, and works as soon as it can be had.
func TestGPIORetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, log := newWire(), new(bytes.Buffer)
		w.set(errors.New("in use"), nil)
		b := open(t, "gpio:GPIO17", w.env(log))
		lines := func(want ...string) {
			t.Helper()
			synctest.Wait()
			got := strings.Split(strings.TrimSpace(log.String()), "\n")
			for i := range max(len(got), len(want)) {
				if i >= len(got) || i >= len(want) || !strings.Contains(got[i], want[i]) {
					t.Fatalf("log %q, want %q", got, want)
				}
			}
		}
		time.Sleep(time.Minute)
		lines("in use")
		w.set(errors.New("no such line"), nil)
		time.Sleep(time.Minute)
		lines("in use", "no such line")
		w.set(nil, nil)
		time.Sleep(10 * time.Second)
		lines("in use", "no such line", "works again")
		w.press(time.Second, 3)
		if got := waiting(b); !slices.Equal(got, []button.Event{button.Press}) {
			t.Errorf("%v", got)
		}

		// The line goes while somebody holds the button: nothing is wiped.
		w.move(gpio.Low, 0)
		time.Sleep(4 * time.Second)
		w.set(errors.New("no such line"), errors.New("unplugged"))
		time.Sleep(time.Minute)
		if got := waiting(b); !slices.Equal(got, []button.Event{button.Held, button.HoldCancelled}) {
			t.Errorf("%v", got)
		}
		lines("in use", "no such line", "works again", "unplugged", "no such line")
		if err := b.Close(); err != nil || w.taken {
			t.Errorf("%v, taken: %t", err, w.taken)
		}
	})
}

// asleep is a pin that breaks its promise to wait, or to end waiting.
type asleep struct {
	*wire
	waits int
}

func (a *asleep) WaitForEdge(timeout time.Duration) bool {
	a.waits++
	if timeout < 0 {
		select {} // for ever, as some drivers do
	}
	return false // at once
}

func TestGPIOTrustsNoPinToWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &asleep{wire: newWire()}
		b := open(t, "gpio:GPIO17", button.Env{Pin: func(string) (gpio.PinIO, error) { return a, nil }})
		time.Sleep(time.Second)
		_ = a.Out(gpio.Low)
		time.Sleep(time.Second)
		_ = a.Out(gpio.High)
		time.Sleep(time.Second)
		if got := waiting(b); !slices.Equal(got, []button.Event{button.Press}) {
			t.Errorf("%v", got)
		}
		start := time.Now()
		if err := b.Close(); err != nil || time.Since(start) > time.Second {
			t.Errorf("Close = %v, after %v", err, time.Since(start))
		}
		if a.waits > 3*250 {
			t.Errorf("it was asked to wait %d times in 3 s", a.waits)
		}
	})
}

// late is a pin on a machine that is too busy to look at it.
type late struct {
	*wire
	busy atomic.Int64 // how long it does not look
}

func (l *late) WaitForEdge(timeout time.Duration) bool {
	time.Sleep(max(timeout, time.Duration(l.busy.Load())))
	return false
}

// A press that a busy machine sees 20 s later wipes nothing.
func TestGPIOSeenLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &late{wire: newWire()}
		b := open(t, "gpio:GPIO17", button.Env{Pin: func(string) (gpio.PinIO, error) { return l, nil }})
		time.Sleep(time.Second)
		_ = l.Out(gpio.Low)
		time.Sleep(2 * time.Second)
		l.busy.Store(int64(20 * time.Second))
		time.Sleep(time.Second)
		_ = l.Out(gpio.High)
		time.Sleep(30 * time.Second)
		l.busy.Store(0)
		time.Sleep(30 * time.Second)
		if got := waiting(b); !slices.Equal(got, []button.Event{button.Press}) {
			t.Errorf("%v", got)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A line that cannot be had leaves the others alone.
func TestGPIOBesideOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, log := newWire(), new(bytes.Buffer)
		env := w.env(log)
		pin := env.Pin
		env.Pin = func(name string) (gpio.PinIO, error) {
			if name == "GPIO4" {
				return nil, errors.New("in use")
			}
			return pin(name)
		}
		b, err := button.OpenAll([]string{"gpio:GPIO4", "gpio:GPIO17"}, env)
		if err != nil {
			t.Fatal(err)
		}
		w.press(time.Second, 3)
		if got := waiting(b); !slices.Equal(got, []button.Event{button.Press}) || strings.Count(log.String(), "\n") != 1 {
			t.Errorf("%v, log %s", got, log)
		}
		states := button.States(b)
		if len(states) != 2 || states[0].Spec != "gpio:GPIO4" || states[0].Err == nil || time.Since(states[0].Since) < time.Second ||
			states[1] != (button.State{Spec: "gpio:GPIO17"}) {
			t.Errorf("states %v", states)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
}
