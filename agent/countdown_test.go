package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"xtls-agent/hw/button"
	"xtls-agent/hw/button/buttontest"
	"xtls-agent/hw/display"
	"xtls-agent/hw/display/displaytest"
	"xtls-agent/pairing"
	"xtls-agent/trust"
)

// Every state, with every event and with the next second.
func TestCountdown(t *testing.T) {
	seven, one := countdown{counting, 7}, countdown{counting, 1}
	for _, c := range []struct{ from, tick countdown }{
		{countdown{}, countdown{}}, {seven, countdown{counting, 6}}, {one, countdown{state: wiping}}, {countdown{state: wiping}, countdown{}},
	} {
		if got := c.from.tick(); got != c.tick {
			t.Errorf("a second after %+v comes %+v, want %+v", c.from, got, c.tick)
		}
		for e, want := range map[button.Event]countdown{
			button.Held: seven, button.HoldWipe: {state: wiping},
			button.Press: {}, button.HoldUnlock: {}, button.HoldCancelled: {},
		} {
			if got := c.from.after(e); got != want {
				t.Errorf("%v after %+v makes %+v, want %+v", e, c.from, got, want)
			}
		}
	}
	if got := fmt.Sprint(countdown{}.lines(), one.lines(), countdown{state: wiping}.lines()); got != "[] [Wiping in 1 … Let go to keep everything.] [Wiping …]" {
		t.Error(got)
	}
}

// watched is a life whose button and display are the test's.
func watched(t *testing.T) (l *life, b *buttontest.Fake, screen *displaytest.Fake, end func() error) {
	t.Helper()
	l, b, screen = stillborn(t, trust.NewMemStore()), buttontest.New(), new(displaytest.Fake)
	l.panel.close()
	l.panel.buttons = b
	l.panel.screens = display.NewMulti([]display.Named{{Spec: "fake:", Display: screen}}, nil)
	if err := l.panel.show(display.Screen{}); err != nil { // from now on it counts as one that works
		t.Fatal(err)
	}
	group, ctx := errgroup.WithContext(t.Context())
	ctx, cancel := context.WithCancel(ctx)
	group.Go(func() error { return l.keeper.Run(ctx) })
	group.Go(func() error { return l.watchButtons(ctx) })
	return l, b, screen, func() error { cancel(); return group.Wait() }
}

// Who holds the button sees what is going to happen, and that letting go has kept everything.
func TestCountdownIsShownAndTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, b, screen, end := watched(t)
		if err := l.keeper.Open(pairing.Opening{By: pairing.ByButton}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		before := screen.Last()
		if before.PIN == "" {
			t.Fatalf("no PIN: %v", before)
		}
		b.Do(button.Held)
		for _, want := range []string{"7", "6", "5"} {
			synctest.Wait()
			if s := screen.Last(); s.PIN != "" || s.URI != "" || strings.Join(s.Lines, " ") != "Wiping in "+want+" … Let go to keep everything." {
				t.Errorf("at %s the display shows %v, and a PIN: %t", want, s, s.PIN != "")
			}
			time.Sleep(time.Second)
		}
		b.Do(button.HoldUnlock)
		synctest.Wait()
		if s := screen.Last(); fmt.Sprint(s) != fmt.Sprint(before) || s.PIN != before.PIN {
			t.Errorf("after letting go: %v, want %v", s, before)
		}
		shown := len(screen.Screens())
		time.Sleep(time.Minute)
		if n := len(screen.Screens()); n > shown {
			t.Errorf("the display changed %d times after that", n-shown)
		}
		if err := end(); !errors.Is(err, context.Canceled) {
			t.Errorf("the life has ended by itself: %v", err)
		}
	})
}

// A word of the button that is lost does not leave "Wiping" on the display.
func TestCountdownEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, b, screen, end := watched(t)
		b.Do(button.Held)
		time.Sleep(7500 * time.Millisecond)
		if s := screen.Last(); strings.Join(s.Lines, " ") != "Wiping …" {
			t.Errorf("%v", s)
		}
		time.Sleep(time.Second)
		if s := screen.Last(); len(s.Lines) > 0 {
			t.Errorf("%v", s)
		}
		_ = end()
	})
}
