//go:build !minimal

package display_test

import (
	"errors"
	"image"
	"strings"
	"testing"

	"periph.io/x/conn/v3/i2c"

	"xtls-agent/hw/display"
	"xtls-agent/hw/display/displaytest"
)

// The glass turned by 180° shows the same, seen from the other side.
func TestSSD1306Rotated(t *testing.T) {
	up, down := displaytest.NewOLED(0x3C, 64), displaytest.NewOLED(0x3C, 64)
	a := open(t, "ssd1306:/dev/i2c-1", up.Env())
	b := open(t, "ssd1306:/dev/i2c-1?rotate=180", down.Env())
	defer a.Close()
	defer b.Close()
	if err := errors.Join(a.Show(displaytest.PIN()), b.Show(displaytest.PIN())); err != nil {
		t.Fatal(err)
	}
	want, err1 := up.Picture()
	got, err2 := down.Picture()
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	for y := range 64 {
		for x := range 128 {
			if got.BitAt(x, y) != want.BitAt(127-x, 63-y) {
				t.Fatalf("pixel %v differs", image.Pt(x, y))
			}
		}
	}
}

// Close switches the display off and also empties its memory, which would show
// the PIN again when another program switches it on.
func TestSSD1306CloseEmptiesMemory(t *testing.T) {
	oled := displaytest.NewOLED(0x3C, 64)
	d := open(t, "ssd1306:/dev/i2c-1", oled.Env())
	if err := d.Show(displaytest.PIN()); err != nil {
		t.Fatal(err)
	}
	if on, holds, err := oled.State(); !on || !holds || err != nil {
		t.Errorf("while it shows: on %t, holds a picture %t, %v", on, holds, err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if on, holds, err := oled.State(); on || holds || err != nil {
		t.Errorf("after Close: on %t, holds a picture %t, %v", on, holds, err)
	}
}

func TestSSD1306NoBus(t *testing.T) {
	gone := errors.New("no such bus")
	d := open(t, "ssd1306:/dev/i2c-7", display.Env{Hardware: display.Hardware{OpenI2C: func(string) (i2c.BusCloser, error) { return nil, gone }}})
	for range 2 {
		if err := d.Show(displaytest.PIN()); !errors.Is(err, gone) || !strings.Contains(err.Error(), "/dev/i2c-7") {
			t.Errorf("Show = %v", err)
		}
	}
	if err := d.Close(); !errors.Is(err, gone) {
		t.Errorf("Close = %v", err)
	}
}

func TestKernelBuses(t *testing.T) {
	for path, want := range map[string]string{
		"/dev/i2c-250":              "switch I²C on",
		"/dev/i2c-../i2c-1":         "is not the path of an I²C bus",
		"1":                         "is not the path of an I²C bus",
		"/dev/spidev99.0?dc=GPIO25": "switch SPI on",
		"/dev/spidev0?dc=GPIO25":    "is not the path of an SPI device",
		"/dev/spidev0.x?dc=GPIO25":  "is not the path of an SPI device",
	} {
		board := &displaytest.Board{} // has the lines; the buses are the kernel's
		err := open(t, "ssd1306:"+path, display.Env{Hardware: display.Hardware{OpenPin: board.OpenPin}}).Show(displaytest.PIN())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", path, err, want)
		}
		if board.Held() != 0 {
			t.Errorf("%s: a line is still held", path)
		}
	}
}

// A line that another program holds is an error that names it, and is tried again.
func TestSSD1306LineInUse(t *testing.T) {
	o := oled("spidev")
	other, err := o.OpenPin("GPIO25")
	if err != nil {
		t.Fatal(err)
	}
	d := open(t, "ssd1306:/dev/spidev0.0?dc=GPIO25", o.Env())
	if err := d.Show(displaytest.PIN()); err == nil || !strings.Contains(err.Error(), "GPIO25 is in use") {
		t.Errorf("Show = %v", err)
	}
	if err := errors.Join(other.Close(), d.Show(displaytest.PIN()), d.Close()); err != nil || o.Held() != 0 {
		t.Errorf("after the other program has ended: %v, held: %d", err, o.Held())
	}
}

// A frame takes well under 100 ms of bus time at 400 kHz, 9 clocks a byte.
func TestSSD1306BusTime(t *testing.T) {
	oled := displaytest.NewOLED(0x3C, 64)
	d := open(t, "ssd1306:/dev/i2c-1", oled.Env())
	defer d.Close()
	if err := d.Show(displaytest.PIN()); err != nil {
		t.Fatal(err)
	}
	ms := float64(oled.Bytes()) * 9 / 400
	t.Logf("%d bytes, %.1f ms", oled.Bytes(), ms)
	if ms > 30 {
		t.Errorf("the first frame takes %.1f ms", ms)
	}
}
