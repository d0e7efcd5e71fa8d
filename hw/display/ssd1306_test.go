package display_test

import (
	"bytes"
	"errors"
	"image"
	"strings"
	"testing"

	"periph.io/x/conn/v3/i2c"

	"xtls-agent/hw/display"
	"xtls-agent/hw/display/displaytest"
)

func picture(t *testing.T, o *displaytest.OLED) []byte {
	t.Helper()
	img, err := o.Picture()
	if err != nil {
		t.Fatal(err)
	}
	return img.Pix
}

// The glass turned by 180° shows the same, seen from the other side.
func TestSSD1306Rotated(t *testing.T) {
	up, down := &displaytest.OLED{Addr: 0x3C, H: 64}, &displaytest.OLED{Addr: 0x3C, H: 64}
	a := open(t, "ssd1306:/dev/i2c-1", display.Env{OpenI2C: up.Open})
	b := open(t, "ssd1306:/dev/i2c-1?rotate=180", display.Env{OpenI2C: down.Open})
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
	oled := &displaytest.OLED{Addr: 0x3C, H: 64}
	d := open(t, "ssd1306:/dev/i2c-1", display.Env{OpenI2C: oled.Open})
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

// A display that fails in the middle of a frame shows the whole next one: the
// driver's idea of what it holds is thrown away with the error.
func TestSSD1306ComesBack(t *testing.T) {
	broken := errors.New("remote I/O error")
	for n := range 20 { // transfers before it fails
		oled := &displaytest.OLED{Addr: 0x3C, H: 64}
		d := open(t, "ssd1306:/dev/i2c-1", display.Env{OpenI2C: oled.Open})
		oled.Fail(broken, n)
		err := d.Show(displaytest.PIN())
		if n < 17 && !errors.Is(err, broken) { // 1 for setting up, 2 for each of 8 pages
			t.Fatalf("after %d transfers: Show = %v", n, err)
		}
		if err != nil && (oled.OpenBuses() != 0 || !strings.Contains(err.Error(), "address 0x3c on /dev/i2c-1")) {
			t.Errorf("buses open %d, error %v", oled.OpenBuses(), err)
		}
		oled.PowerCycle()
		oled.Fail(nil, 0)
		if err == nil {
			continue
		}
		if err := d.Show(displaytest.PIN()); err != nil {
			t.Fatal(err)
		}
		fresh := &displaytest.OLED{Addr: 0x3C, H: 64}
		f := open(t, "ssd1306:/dev/i2c-1", display.Env{OpenI2C: fresh.Open})
		if err := f.Show(displaytest.PIN()); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(picture(t, oled), picture(t, fresh)) {
			t.Errorf("after %d transfers and an error the picture is not whole", n)
		}
		if err := errors.Join(d.Close(), f.Close()); err != nil {
			t.Error(err)
		}
		if oled.OpenBuses() != 0 {
			t.Error("Close left the bus open")
		}
	}
}

func TestSSD1306NoBus(t *testing.T) {
	gone := errors.New("no such bus")
	d := open(t, "ssd1306:/dev/i2c-7", display.Env{OpenI2C: func(string) (i2c.BusCloser, error) { return nil, gone }})
	for range 2 {
		if err := d.Show(displaytest.PIN()); !errors.Is(err, gone) || !strings.Contains(err.Error(), "/dev/i2c-7") {
			t.Errorf("Show = %v", err)
		}
	}
	if err := d.Close(); !errors.Is(err, gone) {
		t.Errorf("Close = %v", err)
	}
}

func TestKernelI2C(t *testing.T) {
	for path, want := range map[string]string{
		"/dev/i2c-250":      "switch I²C on",
		"/dev/spidev0.0":    "is not the path of an I²C bus",
		"/dev/i2c-../i2c-1": "is not the path of an I²C bus",
		"1":                 "is not the path of an I²C bus",
	} {
		err := open(t, "ssd1306:"+path, display.Env{}).Show(displaytest.PIN())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", path, err, want)
		}
	}
}

// A frame takes well under 100 ms of bus time at 400 kHz, 9 clocks a byte.
func TestSSD1306BusTime(t *testing.T) {
	oled := &displaytest.OLED{Addr: 0x3C, H: 64}
	d := open(t, "ssd1306:/dev/i2c-1", display.Env{OpenI2C: oled.Open})
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
