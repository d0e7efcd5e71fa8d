//go:build !minimal

package trial

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpiotest"

	"xtls-agent/hw/button"
	"xtls-agent/hw/display"
	"xtls-agent/hw/display/displaytest"
	"xtls-agent/hw/output"
)

func TestShow(t *testing.T) {
	oled := displaytest.NewOLED(0x3C, 64)
	e := Env{Display: oled.Env()}
	p, err := e.Show(t.Context(), "ssd1306:/dev/i2c-1")
	if err != nil {
		t.Fatal(err)
	}
	if img, err := oled.Picture(); err != nil || !img.BitAt(0, 0) || !img.BitAt(127, 63) {
		t.Errorf("the corners are dark, %v", err)
	}
	if err := p.Close(); err != nil || oled.Held() != 0 {
		t.Errorf("Close = %v, held: %d", err, oled.Held())
	}
	if _, err := e.Show(t.Context(), "ssd1306:/dev/i2c-1?addr=0x3d"); err == nil || !strings.Contains(err.Error(), "check the wiring") {
		t.Errorf("of a display that is not there: %v", err)
	}
	if _, err := e.Show(t.Context(), "crt:"); err == nil || !strings.Contains(err.Error(), "unknown driver") {
		t.Error(err)
	}
	if p, err := e.Show(t.Context(), "none:"); err != nil || p.Close() != nil {
		t.Error(err)
	}
	if oled.Held() != 0 {
		t.Error("the bus is still held")
	}
}

// Paper takes its time.
func TestShowOnPaper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		paper := displaytest.NewWaveshare2in13v4()
		p, err := Env{Display: paper.Env()}.Show(t.Context(), "waveshare2in13v4:/dev/spidev0.0?dc=DC&reset=RST&busy=BUSY")
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
}

// said is what was complained of.
type said struct {
	mu  sync.Mutex // guards all
	all []string
}

func (s *said) say(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, text)
}

func (s *said) last() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.all) == 0 {
		return ""
	}
	return s.all[len(s.all)-1]
}

func TestAwaitPress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pin := &gpiotest.Pin{EdgesChan: make(chan gpio.Level)}
		e := Env{Button: button.Env{Pin: func(string) (gpio.PinIO, error) { return pin, nil }}}
		go func() {
			time.Sleep(time.Second)
			for _, l := range []gpio.Level{gpio.Low, gpio.High, gpio.Low} { // bounces once
				pin.EdgesChan <- l
				time.Sleep(time.Millisecond)
			}
			time.Sleep(118 * time.Millisecond)
			pin.EdgesChan <- gpio.High
		}()
		var s said
		p, err := e.AwaitPress(t.Context(), "gpio:GPIO17", s.say)
		if err != nil || p.Held.Round(10*time.Millisecond) != 120*time.Millisecond || p.Bounces != 1 || p.Event != "" || s.last() != "" {
			t.Errorf("%+v, %v, %q", p, err, s.last())
		}
	})
}

func TestAwaitPressInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := Env{Button: button.Env{Pin: func(name string) (gpio.PinIO, error) {
			return nil, fmt.Errorf("%s is in use by \"lamp\"", name)
		}}}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		var s said
		if _, err := e.AwaitPress(ctx, "gpio:GPIO17", s.say); !errors.Is(err, ErrNotPressed) || s.last() != `GPIO17 is in use by "lamp"` {
			t.Errorf("%v, %q", err, s.last())
		}
		gone, interrupt := context.WithCancelCause(t.Context())
		interrupt(errors.New("interrupted"))
		if _, err := e.AwaitPress(gone, "gpio:GPIO17", s.say); err == nil || err.Error() != "interrupted" {
			t.Error(err)
		}
	})
}

// A button that takes words is pressed by a word.
func TestAwaitPressByWords(t *testing.T) {
	keys := make(lines, 1)
	keys <- "\n"
	e := Env{Button: button.Env{Keys: keys.open}}
	p, err := e.AwaitPress(t.Context(), "key:", func(string) {})
	if err != nil || p != (Press{Event: "press"}) {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestBlink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pin := &levels{}
		e := Env{Output: output.Env{Pin: func(string) (gpio.PinIO, error) { return pin, nil }}}
		if err := e.Blink(t.Context(), "gpio:GPIO27", 3*time.Second); err != nil {
			t.Fatal(err)
		}
		if pin.rises() < 3 || pin.Read() != gpio.Low {
			t.Errorf("lit %d times, and is %v", pin.rises(), pin.Read())
		}
		e.Output.Pin = func(string) (gpio.PinIO, error) { return nil, errors.New("no such line") }
		if err := e.Blink(t.Context(), "gpio:GPIO27", 3*time.Second); err == nil || !strings.Contains(err.Error(), "no such line") {
			t.Error(err)
		}
	})
}

// What is tried leaves nothing behind.
func TestShowPNG(t *testing.T) {
	file := filepath.Join(t.TempDir(), "test.png")
	p, err := Env{Display: display.Env{}}.Show(t.Context(), "png:"+file)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(file), "*")); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}
