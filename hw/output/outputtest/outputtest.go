package outputtest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"xtls-agent/hw/output"
)

// Rig is an output under test together with an eye on what hangs on it.
type Rig struct {
	// Open opens the output; changed is for its Env. Its initial value is off.
	Open func(t *testing.T, changed func(output.State)) output.Output

	// See reports whether what hangs on the output is on.
	See func() bool

	// Fail lets the hardware fail with err from now on; nil mends it.
	Fail func(err error)
}

// Run tests that an output keeps the contract of output.Output. newRig makes an output together with all that stands behind it; it
// is called in a time of its own (testing/synctest).
func Run(t *testing.T, newRig func() Rig) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, r *run)
	}{
		{"is off at first", testInitial},
		{"is switched and read back", testSet},
		{"a pulse ends by itself", testPulse},
		{"a pulse within a pulse begins it anew", testPulseAgain},
		{"blinking leaves the output as it was", testBlink},
		{"blinking ends a pulse", testBlinkInPulse},
		{"what is said last counts", testLastCounts},
		{"no pulse without a sensible time", testBadTimes},
		{"what fails says so, and is off when it is back", testFails},
		{"Close switches off", testClose},
		{"from many goroutines", testConcurrent},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &run{Rig: newRig()}
				r.Output = r.Open(t, r.changed)
				synctest.Wait()
				test.run(t, r)
				if err := r.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
				synctest.Wait()
			})
		})
	}
}

// run is one run of the suite.
type run struct {
	Rig
	output.Output

	mu   sync.Mutex // guards told
	told []string
}

func (r *run) changed(s output.State) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = append(r.told, s.String())
}

// want says what the output must be, and what others must have been told since the last want.
func (r *run) want(t *testing.T, state string, told ...string) {
	t.Helper()
	synctest.Wait()
	s, err := r.State()
	if err != nil || s.String() != state || s.On != r.See() {
		t.Errorf("state %q, %v, want %q; what hangs on it is on: %t", s, err, state, r.See())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.told, told) {
		t.Errorf("told of %q, want %q", r.told, told)
	}
	r.told = nil
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

func testInitial(t *testing.T, r *run) { r.want(t, "off") }

func testSet(t *testing.T, r *run) {
	ok(t, r.Set(true))
	r.want(t, "on", "on")
	time.Sleep(24 * time.Hour)
	ok(t, r.Set(true))
	r.want(t, "on")
	ok(t, r.Set(false))
	r.want(t, "off", "off")
}

func testPulse(t *testing.T, r *run) {
	ok(t, r.Pulse(time.Second))
	r.want(t, "on, pulsing", "on, pulsing")
	time.Sleep(999 * time.Millisecond)
	r.want(t, "on, pulsing")
	time.Sleep(2 * time.Millisecond)
	r.want(t, "off", "off")
	ok(t, r.Set(true))
	ok(t, r.Pulse(time.Second))
	time.Sleep(2 * time.Second)
	r.want(t, "off", "on", "on, pulsing", "off")
}

func testPulseAgain(t *testing.T, r *run) {
	ok(t, r.Pulse(time.Second))
	time.Sleep(900 * time.Millisecond)
	ok(t, r.Pulse(time.Second))
	time.Sleep(900 * time.Millisecond)
	r.want(t, "on, pulsing", "on, pulsing")
	time.Sleep(200 * time.Millisecond)
	r.want(t, "off", "off")
}

func testBlink(t *testing.T, r *run) {
	for _, was := range []bool{false, true} {
		ok(t, r.Set(was))
		_ = r.changes()
		ok(t, r.Blink(10*time.Second))
		seen := map[bool]int{}
		for range 100 {
			time.Sleep(99 * time.Millisecond)
			synctest.Wait()
			seen[r.See()]++
		}
		if seen[true] < 30 || seen[false] < 30 {
			t.Errorf("blinking, it was seen on %d times and off %d times", seen[true], seen[false])
		}
		time.Sleep(time.Second)
		word := output.State{On: was}.String()
		r.want(t, word, "blinking", word)
	}
}

// changes returns what others were told of, and forgets it.
func (r *run) changes() []string {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	told := r.told
	r.told = nil
	return told
}

func testBlinkInPulse(t *testing.T, r *run) {
	ok(t, r.Pulse(time.Hour))
	ok(t, r.Blink(100*time.Millisecond))
	ok(t, r.Blink(3*time.Second))
	time.Sleep(4 * time.Second)
	r.want(t, "off", "on, pulsing", "blinking", "off")
}

func testLastCounts(t *testing.T, r *run) {
	ok(t, r.Pulse(time.Second))
	ok(t, r.Set(true))
	ok(t, r.Blink(time.Second))
	ok(t, r.Set(true))
	time.Sleep(time.Minute)
	r.want(t, "on", "on, pulsing", "on", "blinking", "on")
	ok(t, r.Blink(time.Second))
	ok(t, r.Pulse(time.Minute))
	time.Sleep(30 * time.Second)
	r.want(t, "on, pulsing", "blinking", "on, pulsing")
}

func testBadTimes(t *testing.T, r *run) {
	for _, d := range []time.Duration{0, -1, output.MaxTime + 1} {
		if r.Pulse(d) == nil || r.Blink(d) == nil {
			t.Errorf("%v was taken", d)
		}
	}
	r.want(t, "off")
}

func testFails(t *testing.T, r *run) {
	ok(t, r.Set(true))
	r.want(t, "on", "on")
	gone := errors.New("unplugged")
	r.Fail(gone)
	_, err := r.State()
	for _, err := range []error{err, r.Set(true), r.Pulse(time.Second), r.Blink(time.Second)} {
		if !errors.Is(err, gone) {
			t.Errorf("%v", err)
		}
	}
	began := time.Now()
	time.Sleep(time.Minute)
	if since, err := r.Trouble(); !errors.Is(err, gone) || since.After(began) {
		t.Errorf("trouble %v since %v", err, since)
	}
	r.Fail(nil)
	time.Sleep(time.Minute)
	if _, err := r.Trouble(); err != nil {
		t.Errorf("trouble %v after it was mended", err)
	}
	r.want(t, "off", "off")
	ok(t, r.Pulse(time.Minute))
	r.Fail(gone)
	time.Sleep(time.Hour)
	r.Fail(nil)
	time.Sleep(time.Minute)
	r.want(t, "off", "on, pulsing", "off")
}

func testClose(t *testing.T, r *run) {
	for name, do := range map[string]func(output.Output) error{
		"switched on": func(o output.Output) error { return o.Set(true) },
		"pulsing":     func(o output.Output) error { return o.Pulse(time.Hour) },
		"blinking":    func(o output.Output) error { return o.Blink(time.Hour) },
	} {
		ok(t, do(r.Output))
		ok(t, r.Close())
		if r.See() {
			t.Errorf("%s: it is on after Close", name)
		}
		ok(t, r.Close())
		_, err := r.State()
		for _, err := range []error{err, r.Set(true), r.Pulse(time.Second), r.Blink(time.Second)} {
			if err == nil {
				t.Errorf("%s: something was done after Close", name)
			}
		}
		time.Sleep(2 * time.Hour)
		if r.See() {
			t.Errorf("%s: it came on after Close", name)
		}
		r.Output = r.Open(t, r.changed)
	}
}

func testConcurrent(t *testing.T, r *run) {
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range 25 {
				_, err := r.State()
				if e := errors.Join(err, r.Set(i%2 == 0), r.Pulse(time.Second), r.Blink(time.Second)); e != nil && i != 0 {
					fmt.Fprint(t.Output(), e, "\n") // closed, by the first one
				}
			}
			if i == 0 {
				_ = r.Close()
			}
		})
	}
	wg.Wait()
	if r.See() {
		t.Error("it is on after Close")
	}
}
