package agent

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpiotest"

	"xtls-agent/hw/button"
	"xtls-agent/hw/display"
	"xtls-agent/pairing"
	"xtls-agent/trust"
)

// liveAtPanel begins a device's life as far as its panel goes, until end; the panel stays open.
func liveAtPanel(t *testing.T, cfg *Config, env Env) (l *life, end func()) {
	t.Helper()
	a := New(cfg, trust.NewMemStore(), env)
	p, err := openPanel(cfg, a.env)
	if err != nil {
		t.Fatal(err)
	}
	if l, err = newLife(a, p); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return l.keeper.Run(ctx) })
	group.Go(func() error { return l.watchButtons(ctx) })
	return l, func() {
		cancel()
		_ = group.Wait()
	}
}

// A switch on a GPIO line opens a window, from the configuration to the PIN; and a line that cannot be had is in the log.
func TestButtonOnALine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, err := ParseConfig([]byte("display = [\"term:\"]\nbutton = [\"gpio:GPIO17?active=low&pull=up\", \"gpio:GPIO4\"]\n[lan]\nmdns = false\n"))
		if err != nil {
			t.Fatal(err)
		}
		contact := &gpiotest.Pin{EdgesChan: make(chan gpio.Level)}
		log, screen := new(bytes.Buffer), &terminal{}
		l, end := liveAtPanel(t, cfg, Env{
			Log:     slog.New(slog.NewTextHandler(log, nil)),
			Display: display.Env{Stdout: screen, IsTerminal: func() bool { return true }},
			Button: button.Env{Pin: func(name string) (gpio.PinIO, error) {
				if name != "GPIO17" {
					return nil, errors.New(name + " is in use")
				}
				return contact, nil
			}},
		})
		synctest.Wait()
		if l.keeper.Status().State != pairing.Closed {
			t.Fatalf("before the press: %v", l.keeper.Status().State)
		}
		contact.EdgesChan <- gpio.Low
		time.Sleep(100 * time.Millisecond)
		contact.EdgesChan <- gpio.High
		let := time.Now()
		for l.keeper.Status().State != pairing.Open {
			if time.Since(let) > 100*time.Millisecond {
				t.Fatalf("100 ms after the press: %v\n%s", l.keeper.Status().State, log)
			}
			time.Sleep(time.Millisecond)
		}
		synctest.Wait()
		if !pinOnScreen.MatchString(screen.String()) {
			t.Errorf("no PIN on the display:\n%s", screen)
		}
		end()
		l.panel.close()
		if text := log.String(); strings.Count(text, "GPIO4 is in use") != 1 {
			t.Errorf("log: %s", text)
		}
	})
}
