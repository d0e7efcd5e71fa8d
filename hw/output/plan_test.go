package output

import (
	"fmt"
	"testing"
	"time"
)

// Every motion, with everything that can be said to it.
func TestPlan(t *testing.T) {
	now := time.Unix(0, 0)
	text := func(p plan) string {
		s := p.state().String() + "/" + State{On: p.rest}.String()
		if !p.due.IsZero() {
			s += fmt.Sprintf(" due %v of %v", p.due.Sub(now), p.end.Sub(now))
		}
		return s
	}
	var off plan
	on := off.set(true)
	for _, c := range []struct {
		got  plan
		want string
	}{
		{off, "off/off"}, {on, "on/on"}, {on.set(false), "off/off"}, {off.tick(), "off/off"}, {on.tick(), "on/on"},
		{off.pulse(now, time.Second), "on, pulsing/off due 1s of 1s"},
		{on.pulse(now, time.Second), "on, pulsing/off due 1s of 1s"},
		{on.pulse(now, time.Second).tick(), "off/off"},
		{on.pulse(now, time.Second).set(true), "on/on"},
		{on.pulse(now, time.Second).pulse(now, time.Minute), "on, pulsing/off due 1m0s of 1m0s"},
		{on.pulse(now, time.Second).blink(now, time.Second), "blinking/off due 500ms of 1s"},
		{off.blink(now, time.Second), "blinking/off due 500ms of 1s"},
		{on.blink(now, 1200*time.Millisecond).tick(), "blinking/on due 1s of 1.2s"},
		{on.blink(now, 1200*time.Millisecond).tick().tick(), "blinking/on due 1.2s of 1.2s"},
		{on.blink(now, 1200*time.Millisecond).tick().tick().tick(), "on/on"},
		{on.blink(now, 300*time.Millisecond), "blinking/on due 300ms of 300ms"},
		{on.blink(now, time.Second).blink(now, time.Hour), "blinking/on due 500ms of 1h0m0s"},
		{on.blink(now, time.Second).pulse(now, time.Hour), "on, pulsing/off due 1h0m0s of 1h0m0s"},
		{on.blink(now, time.Second).set(false), "off/off"},
	} {
		if got := text(c.got); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
	if on.blink(now, time.Second).on || !off.blink(now, time.Second).on {
		t.Error("blinking begins with what is seen")
	}
}
