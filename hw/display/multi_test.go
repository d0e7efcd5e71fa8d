package display_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"xtls-agent/hw/display"
	"xtls-agent/hw/display/displaytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// reports collects what Multi reports.
type reports struct {
	mu   sync.Mutex
	list []string
}

func (r *reports) add(spec string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, fmt.Sprint(spec, " ", err))
}

func (r *reports) want(t *testing.T, want ...string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if strings.Join(r.list, "; ") != strings.Join(want, "; ") {
		t.Errorf("reported %q, want %q", r.list, want)
	}
}

func TestMultiConforms(t *testing.T) {
	displaytest.Run(t, func(*testing.T) displaytest.Rig {
		a, b := &displaytest.Fake{}, &displaytest.Fake{}
		return displaytest.Rig{
			Open: func(*testing.T) display.Display {
				return display.NewMulti([]display.Named{{Spec: "a", Display: a}, {Spec: "b", Display: b}}, nil)
			},
			See: func(*testing.T) []byte {
				return []byte(a.Last().PIN + "|" + b.Last().PIN + strings.Join(b.Last().Lines, "|"))
			},
			Blank: func(seen []byte) bool { return string(seen) == "|" },
		}
	})
}

// A display that fails is reported once, hides nothing elsewhere, and is retried
// with the newest screen until it works.
func TestMultiRetriesWhatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var good, bad displaytest.Fake
		var rep reports
		bad.Fail(errors.New("unplugged"))
		m := display.NewMulti([]display.Named{{Spec: "good:", Display: &good}, {Spec: "bad:", Display: &bad}}, rep.add)
		if m.Working() != 0 || m.States()[0] != (display.State{Spec: "good:"}) {
			t.Error("a display counts as working before its first Show")
		}
		for _, s := range []display.Screen{displaytest.PIN(), displaytest.Message()} {
			if err := m.Show(s); err != nil {
				t.Errorf("Show = %v, though one display works", err)
			}
			if good.Last().Lines[0] != s.Lines[0] {
				t.Error("the working display was left out")
			}
		}
		time.Sleep(time.Minute)
		if m.Working() != 1 {
			t.Errorf("Working = %d", m.Working())
		}
		rep.want(t, "bad: unplugged")
		s := m.States()
		if s[0] != (display.State{Spec: "good:", Tried: true}) || s[1].Spec != "bad:" || s[1].Err.Error() != "unplugged" || s[1].Since.IsZero() {
			t.Errorf("States = %v", s)
		}

		bad.Fail(nil)
		time.Sleep(10 * time.Second)
		if m.Working() != 2 {
			t.Errorf("Working = %d", m.Working())
		}
		if n := len(bad.Screens()); n != 1 || bad.Last().Lines[0] != displaytest.Message().Lines[0] {
			t.Errorf("after %d screens the display that came back shows %v", n, bad.Last())
		}
		rep.want(t, "bad: unplugged", "bad: <nil>")
		if err := m.Close(); err != nil || !good.Closed() || !bad.Closed() {
			t.Errorf("Close = %v, %v, %v", err, good.Closed(), bad.Closed())
		}
	})
}

// Without a display that works there must be no PIN window: the agent sees it by
// the error and by Working.
func TestMultiNoneWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var bad displaytest.Fake
		gone := errors.New("unplugged")
		bad.Fail(gone)
		m := display.NewMulti([]display.Named{{Spec: "bad:", Display: &bad}}, nil)
		defer m.Close()
		if err := m.Show(displaytest.PIN()); !errors.Is(err, gone) || m.Working() != 0 {
			t.Errorf("Show = %v, Working = %d", err, m.Working())
		}
	})
}

// Nobody can read a PIN on "none:".
func TestMultiNoneDriverDoesNotCount(t *testing.T) {
	m, err := display.OpenAll([]string{"none:"}, display.Env{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.Show(displaytest.PIN()); err != nil || m.Working() != 0 {
		t.Errorf("Show = %v, Working = %d", err, m.Working())
	}
}

// slow is an e-paper display.
type slow struct {
	displaytest.Fake
	takes time.Duration
}

func (s *slow) Show(screen display.Screen) error {
	time.Sleep(s.takes)
	return s.Fake.Show(screen)
}

// A slow display delays nobody for long, and ends on the newest screen.
func TestMultiSlowDisplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fast displaytest.Fake
		paper := &slow{takes: 4 * time.Second}
		m := display.NewMulti([]display.Named{{Spec: "paper:", Display: paper}, {Spec: "fast:", Display: &fast}}, nil)
		start := time.Now()
		for i := range 3 {
			if err := m.Show(display.Screen{Lines: []string{fmt.Sprint("line ", i)}}); err != nil {
				t.Error(err)
			}
		}
		if d := time.Since(start); d > 3*time.Second {
			t.Errorf("three screens took %v", d)
		}
		if got := len(fast.Screens()); got != 3 {
			t.Errorf("the fast display got %d screens", got)
		}
		time.Sleep(10 * time.Second)
		if paper.Last().Lines[0] != "line 2" || len(paper.Screens()) != 2 {
			t.Errorf("the slow display shows %v after %d screens", paper.Last(), len(paper.Screens()))
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestMultiOnlySlowDisplays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := display.NewMulti([]display.Named{{Spec: "p:", Display: &slow{takes: 4 * time.Second}}}, nil)
		if err := m.Show(displaytest.PIN()); err == nil || !strings.Contains(err.Error(), "no answer within 1s") {
			t.Errorf("Show = %v", err)
		}
		time.Sleep(5 * time.Second)
		if m.Working() != 1 {
			t.Error("a slow display works when it has shown the screen")
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
}

// paged is a display that shows its screens in parts.
type paged struct {
	displaytest.Fake
	mu    sync.Mutex // guards what follows
	turns int
	err   error
}

func (p *paged) Turn() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turns++
	return p.err
}

func (p *paged) since(err error) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.turns
	p.turns, p.err = 0, err
	return n
}

// A display that shows a screen in parts is turned while it works; one that fails
// then is reported, and shown the whole screen again.
func TestMultiTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p paged
		var rep reports
		m := display.NewMulti([]display.Named{{Spec: "p:", Display: &p}}, rep.add)
		time.Sleep(time.Minute)
		if n := p.since(nil); n != 0 {
			t.Errorf("turned %d times with nothing on it", n)
		}
		if err := m.Show(displaytest.PIN()); err != nil {
			t.Error(err)
		}
		time.Sleep(26 * time.Second)
		if n := p.since(errors.New("unplugged")); n != 10 {
			t.Errorf("turned %d times in 26 s", n)
		}
		time.Sleep(3 * time.Second)
		if m.Working() != 0 {
			t.Error("a display that cannot be turned counts as working")
		}
		rep.want(t, "p: unplugged")
		if n := p.since(nil); n != 1 || len(p.Screens()) != 1 {
			t.Errorf("after the error it was turned %d times, and shown %d screens", n, len(p.Screens()))
		}
		time.Sleep(5 * time.Second)
		rep.want(t, "p: unplugged", "p: <nil>")
		if m.Working() != 1 || len(p.Screens()) != 2 {
			t.Errorf("Working = %d after %d screens", m.Working(), len(p.Screens()))
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		p.since(nil)
		time.Sleep(time.Minute)
		if n := p.since(nil); n != 0 {
			t.Errorf("turned %d times after Close", n)
		}
	})
}

// Whoever waits for a display to work hears of one that is slow, of one that comes back,
// and of none.
func TestMultiAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := &slow{takes: 4 * time.Second}
		bad.Fail(errors.New("unplugged"))
		m := display.NewMulti([]display.Named{{Spec: "p:", Display: bad}, {Spec: "none:", Display: &slow{takes: time.Hour}}}, nil)
		_ = m.Show(displaytest.PIN())
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		if m.Await(ctx) || time.Since(start) != time.Minute {
			t.Errorf("Await ended after %v", time.Since(start))
		}
		bad.Fail(nil)
		start = time.Now()
		if !m.Await(t.Context()) || time.Since(start) > 10*time.Second {
			t.Errorf("Await ended after %v", time.Since(start))
		}
		if !m.Await(ctx) {
			t.Error("Await does not see what works")
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestMultiAwaitEndsWithClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := display.NewMulti(nil, nil)
		time.AfterFunc(time.Second, func() { _ = m.Close() })
		if m.Await(t.Context()) {
			t.Error("nothing works")
		}
	})
}

func TestFakeWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f displaytest.Fake
		go func() {
			time.Sleep(time.Second)
			_ = f.Show(displaytest.PIN())
		}()
		s, err := f.Wait(t.Context(), func(s display.Screen) bool { return s.PIN != "" })
		if err != nil || s.PIN != displaytest.PIN().PIN {
			t.Errorf("Wait = %v, %v", s, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := f.Wait(ctx, func(display.Screen) bool { return false }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait = %v", err)
		}
	})
}
