//go:build !minimal

package display_test

import (
	"errors"
	"image"
	"image/color"
	"path/filepath"
	"strings"
	"testing"

	"xtls-agent/hw/display"
	"xtls-agent/hw/display/displaytest"
)

func TestFramebufferConforms(t *testing.T) {
	for _, bits := range []int{16, 32} {
		displaytest.Run(t, func(t *testing.T) displaytest.Rig {
			fb := displaytest.NewFramebuffer(image.Pt(160, 120), bits)
			return displaytest.Rig{
				Open:  func(t *testing.T) display.Display { return open(t, "fb:/dev/fb0", fb.Env()) },
				See:   func(*testing.T) []byte { return fb.Picture().Pix },
				Blank: func([]byte) bool { return fb.Dark() },
			}
		})
	}
}

// The sizes of screens that people have, and how a pixel lies there.
var screensOf = map[string]struct {
	size image.Point
	bits int
}{
	"fb-16": {image.Pt(640, 480), 16},
	"fb-32": {image.Pt(1280, 720), 32},
}

func TestFramebufferGoldens(t *testing.T) {
	for name, f := range screensOf {
		fb := displaytest.NewFramebuffer(f.size, f.bits)
		d := open(t, "fb:/dev/fb0", fb.Env())
		if err := d.Show(displaytest.PIN()); err != nil {
			t.Fatal(err)
		}
		goldenImage(t, name+"-pin", fb.Picture())
		if fb.Console() || fb.Beside() {
			t.Errorf("%s: the console draws: %t; something is written where nobody sees it: %t", name, fb.Console(), fb.Beside())
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if !fb.Console() || !fb.Dark() || fb.OpenCount() != 0 {
			t.Errorf("%s: after Close the console draws: %t; dark: %t; open: %d", name, fb.Console(), fb.Dark(), fb.OpenCount())
		}
		wantQR(t, filepath.Join("testdata", name+"-pin.png"))
	}
}

// A screen of many pixels shows what one of half as many in each direction does, each
// pixel four times.
func TestFramebufferZooms(t *testing.T) {
	half, full := displaytest.NewFramebuffer(image.Pt(960, 120), 32), displaytest.NewFramebuffer(image.Pt(1921, 241), 32)
	for _, fb := range []*displaytest.Framebuffer{half, full} {
		d := open(t, "fb:/dev/fb0", fb.Env())
		defer d.Close()
		if err := d.Show(displaytest.Message()); err != nil {
			t.Fatal(err)
		}
	}
	want, got := half.Picture(), full.Picture()
	for y := range 241 {
		for x := range 1921 {
			w := want.RGBAAt(x/2, y/2)
			if x == 1920 || y == 240 {
				w = color.RGBA{A: 0xFF} // no room for another
			}
			if got.RGBAAt(x, y) != w {
				t.Fatalf("pixel %v differs", image.Pt(x, y))
			}
		}
	}
}

// A screen that is unplugged, or set to another mode, is an error, and the console has
// it until it is there again.
func TestFramebufferComesBack(t *testing.T) {
	fb := displaytest.NewFramebuffer(image.Pt(640, 480), 32)
	d := open(t, "fb:/dev/fb0", fb.Env())
	if err := d.Show(displaytest.PIN()); err != nil {
		t.Fatal(err)
	}
	gone := errors.New("no such device")
	fb.Unplug(gone)
	for range 2 {
		if err := d.Show(displaytest.PIN()); !errors.Is(err, gone) || !strings.Contains(err.Error(), "/dev/fb0") || !fb.Console() {
			t.Errorf("Show = %v, and the console draws: %t", err, fb.Console())
		}
	}
	fb.Unplug(nil)
	m, _ := fb.Mode()
	m.Size.X = 320
	fb.SetMode(m)
	if err := d.Show(displaytest.PIN()); err != nil {
		t.Errorf("when it is back: Show = %v", err)
	}
	m.Size.X = 640
	fb.SetMode(m)
	if err := d.Show(displaytest.PIN()); err == nil || !strings.Contains(err.Error(), "another mode") {
		t.Errorf("in another mode: Show = %v", err)
	}
	if err := errors.Join(d.Show(displaytest.PIN()), d.Close()); err != nil || fb.OpenCount() != 0 {
		t.Errorf("after it: %v, open: %d", err, fb.OpenCount())
	}
}

// A driver must not write where there is no memory, whatever the kernel says.
func TestFramebufferModes(t *testing.T) {
	for want, change := range map[string]func(*display.FramebufferMode){
		"8 bits a pixel":      func(m *display.FramebufferMode) { m.Bits = 8 },
		"24 bits a pixel":     func(m *display.FramebufferMode) { m.Bits = 24 },
		"colours of 10 bits":  func(m *display.FramebufferMode) { m.Red.Bits = 10 },
		"8 bits at bit 25":    func(m *display.FramebufferMode) { m.Blue.Shift = 25 },
		"0×240 pixels":        func(m *display.FramebufferMode) { m.Size.X = 0 },
		"320×99999 pixels":    func(m *display.FramebufferMode) { m.Size.Y = 99999 },
		"memory is smaller":   func(m *display.FramebufferMode) { m.Size.Y = 244 },
		"is smaller than the": func(m *display.FramebufferMode) { m.Stride = 100 },
		"smaller than":        func(m *display.FramebufferMode) { m.Offset = -1 },
	} {
		fb := displaytest.NewFramebuffer(image.Pt(320, 240), 32)
		m, _ := fb.Mode()
		change(&m)
		fb.SetMode(m)
		d := open(t, "fb:/dev/fb0", fb.Env())
		if err := d.Show(displaytest.PIN()); err == nil || !strings.Contains(err.Error(), want) || fb.OpenCount() != 0 {
			t.Errorf("Show = %v, want an error with %q; open: %d", err, want, fb.OpenCount())
		}
	}
}

func TestKernelFramebuffer(t *testing.T) {
	for path, want := range map[string]string{"/dev/fb31": "no such framebuffer", "/dev/null": "no framebuffer"} {
		if err := open(t, "fb:"+path, display.Env{}).Show(displaytest.PIN()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: Show = %v, want an error with %q", path, err, want)
		}
	}
}
