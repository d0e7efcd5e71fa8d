package button_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"periph.io/x/conn/v3/gpio"

	"xtls-agent/hw/button"
	"xtls-agent/internal/prove"
)

// clumsy holds the button for d or a little longer, with a contact that bounces and chatters.
func clumsy(w *wire, d time.Duration, chance *rand.Rand) {
	w.move(gpio.Low, chance.IntN(8))
	for d > 0 {
		pause := min(d, time.Duration(100+chance.IntN(2000))*time.Millisecond)
		time.Sleep(pause)
		d -= pause
		if d > 0 && chance.IntN(3) == 0 {
			w.move(gpio.Low, 1+chance.IntN(4))
		}
	}
	w.move(gpio.High, chance.IntN(8))
	time.Sleep(time.Duration(50+chance.IntN(3000)) * time.Millisecond)
	for range chance.IntN(3) { // sparks, which nobody means
		w.EdgesChan <- gpio.Low
		time.Sleep(time.Duration(1+chance.IntN(10)) * time.Millisecond)
		w.EdgesChan <- gpio.High
		time.Sleep(50 * time.Millisecond)
	}
}

// Whatever the contact does besides, a button means what the person did: nothing is wiped by who holds it for less than ten seconds.
func TestGPIOAtRandom(t *testing.T) {
	chance := prove.Rand(t)
	ms := func(n int) time.Duration { return time.Duration(chance.IntN(n)) * time.Millisecond }
	onWire(t, "gpio:GPIO17", func(t *testing.T, w *wire, b button.Button, _ *bytes.Buffer) {
		for range prove.Rounds(t, 100, 20_000) {
			var d time.Duration
			var want []button.Event
			switch chance.IntN(3) {
			case 0:
				d, want = 50*time.Millisecond+ms(2800), []button.Event{button.Press}
			case 1:
				d, want = 3100*time.Millisecond+ms(6700), []button.Event{button.Held, button.HoldUnlock}
			default:
				d, want = 10200*time.Millisecond+ms(10_000), []button.Event{button.Held, button.HoldWipe}
			}
			clumsy(w, d, chance)
			if got := waiting(b); !slices.Equal(got, want) {
				t.Fatalf("held for %v: %v, want %v", d, got, want)
			}
		}
	})
}
