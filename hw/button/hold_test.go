package button

import (
	"fmt"
	"testing"
	"time"
)

// Every posture and every change.
func TestNext(t *testing.T) {
	want := map[posture]map[change]string{
		up:    {pressed: "1 ", letGo: "0 ", timeUp: "0 ", vanished: "0 "},
		down:  {pressed: "1 ", letGo: "0 press", timeUp: "2 held", vanished: "0 "},
		held:  {pressed: "2 ", letGo: "0 hold for 3 s", timeUp: "3 hold for 10 s", vanished: "0 hold cancelled"},
		spent: {pressed: "3 ", letGo: "0 ", timeUp: "3 ", vanished: "0 "},
	}
	for p, changes := range want {
		for c, want := range changes {
			after, e := next(p, c)
			got := fmt.Sprint(int(after), " ")
			if e != 0 {
				got += e.String()
			}
			if got != want {
				t.Errorf("next(%d, %d) = %q, want %q", p, c, got, want)
			}
		}
	}
}

// watched is what a hold says while it is looked at every glance for some time, and then let go.
func watched(d time.Duration) (said []Event) {
	var h hold
	now := time.Unix(0, 0)
	add := func(e Event) {
		if e != 0 {
			said = append(said, e)
		}
	}
	add(h.happen(pressed, now))
	for end := now.Add(d); now.Before(end); {
		now = now.Add(min(h.wait(now), end.Sub(now)))
		add(h.look(now))
	}
	add(h.happen(letGo, now))
	return said
}

func TestHold(t *testing.T) {
	for d, want := range map[time.Duration][]Event{
		0:                      {Press},
		200 * time.Millisecond: {Press},
		UnlockAfter - 1:        {Press},
		UnlockAfter:            {Held, HoldUnlock},
		WipeAfter - 1:          {Held, HoldUnlock},
		WipeAfter:              {Held, HoldWipe},
		time.Hour:              {Held, HoldWipe},
	} {
		if got := watched(d); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("held for %v: %v, want %v", d, got, want)
		}
	}
}

// A process that was stopped has not seen what the button did meanwhile.
func TestTimeThatNobodyWatchedDoesNotCount(t *testing.T) {
	var h hold
	now := time.Unix(0, 0)
	h.happen(pressed, now)
	for range 5 {
		if e := h.look(now.Add(20 * time.Second)); e == HoldWipe {
			t.Fatal("wiped after a look every 20 s")
		}
		now = now.Add(20 * time.Second)
	}
	if e := h.happen(letGo, now); e != HoldUnlock { // five looks, a second each
		t.Errorf("%v", e)
	}
}
