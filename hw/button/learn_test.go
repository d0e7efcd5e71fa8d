//go:build !minimal

package button_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"xtls-agent/hw/button"
)

func TestDevices(t *testing.T) {
	r := &room{}
	r.plug("/dev/input/event1", remote("IR receiver"))
	lid, power, locked := remote("Lid Switch"), remote("Power Button"), remote("secret")
	lid.keys, power.keys, locked.deny = nil, []uint16{keyPower}, errors.New("not allowed: add the user that runs this program to the group input")
	r.plug("/dev/input/event0", power)
	r.plug("/dev/input/event2", lid)
	r.plug("/dev/input/event3", locked)
	got, err := button.Devices(r)
	want := []button.Device{{"/dev/input/event0", "Power Button", false}, {"/dev/input/event1", "IR receiver", true}}
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] || !errors.Is(err, locked.deny) {
		t.Errorf("%+v, %v", got, err)
	}
}

// What was learnt opens the key that was pressed, whatever the device is called.
func TestLearn(t *testing.T) {
	for _, name := range []string{"IR receiver", "A&B=100%? *", "vc4-hdmi", "bell\x07", "bad\xff", "turned \u202eround"} {
		synctest.Test(t, func(t *testing.T) {
			r := &room{}
			g := r.plug("/dev/input/event4", remote(name))
			ctx, cancel := context.WithCancel(t.Context())
			var learnt []button.Learnt
			done := make(chan error)
			go func() { done <- button.Learn(ctx, r, func(l button.Learnt) { learnt = append(learnt, l) }) }()
			synctest.Wait()
			g.hit(keyOK, 100*time.Millisecond)
			synctest.Wait()
			cancel()
			if err := <-done; err != nil || len(learnt) != 1 || learnt[0].Key != "KEY_OK" || g.opens() != 0 {
				t.Fatalf("%+v, %v; open: %d", learnt, err, g.opens())
			}
			if strings.ContainsFunc(learnt[0].Spec(), func(r rune) bool { return !unicode.IsGraphic(r) || unicode.In(r, unicode.C) }) {
				t.Errorf("%q rules a terminal", learnt[0].Spec())
			}
			b := open(t, learnt[0].Spec(), button.Env{Inputs: r})
			settleIn()
			g.hit(keyOK, 100*time.Millisecond)
			wantEvents(t, b.(button.Keys), button.Press)
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestLearnWithoutDevices(t *testing.T) {
	if err := button.Learn(t.Context(), &room{}, nil); err == nil || err.Error() != "no input device with keys is there" {
		t.Error(err)
	}
}
