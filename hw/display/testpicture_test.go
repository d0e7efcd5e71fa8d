//go:build !minimal

package display_test

import (
	"image"
	"path/filepath"
	"strings"
	"testing"

	"xtls-agent/hw/display"
	"xtls-agent/hw/display/displaytest"
)

// testScreen is a screen that asks for a test picture. The PIN and the URI must not be in it: nobody has opened a window.
func testScreen(spec string) display.Screen {
	s := displaytest.PIN()
	s.Lines, s.Test = []string{strings.Replace(spec, ":", ": ", 1)}, true
	return s
}

func TestTestPictureGoldens(t *testing.T) {
	for spec, name := range map[string]string{"ssd1306:/dev/i2c-1": "ssd1306-test", "ssd1306:/dev/i2c-1?h=32": "ssd1306-test-32"} {
		o := oled(spec)
		d := open(t, spec, o.Env())
		if err := d.Show(testScreen(spec)); err != nil {
			t.Fatal(err)
		}
		img, err := o.Picture()
		if err != nil {
			t.Fatal(err)
		}
		goldenImage(t, name, img)
		wantFrame(t, name, img)
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	red := papers["inky-phat-red"]
	goldenImage(t, "inky-phat-red-test", look(t, red.spec, red.paper(), testScreen("inky:/dev/spidev0.0?color=red")))

	file := filepath.Join(t.TempDir(), "test.png")
	d := open(t, "png:"+file, display.Env{})
	if err := d.Show(testScreen("png:/run/xtls-agent/pin.png")); err != nil {
		t.Fatal(err)
	}
	img := readImage(t, file)
	goldenImage(t, "png-test", img)
	wantFrame(t, "png-test", img)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

// wantFrame looks at the outermost pixels: all of them are lit.
func wantFrame(t *testing.T, name string, img image.Image) {
	t.Helper()
	b := img.Bounds()
	lit := img.At(b.Min.X, b.Min.Y)
	if r, _, _, _ := lit.RGBA(); r < 0x8000 {
		t.Errorf("%s: the corner is dark", name)
	}
	for x := b.Min.X; x < b.Max.X; x++ {
		for y := b.Min.Y; y < b.Max.Y; y++ {
			edge := x == b.Min.X || y == b.Min.Y || x == b.Max.X-1 || y == b.Max.Y-1
			if edge && img.At(x, y) != lit {
				t.Fatalf("%s: pixel %v of the edge is %v", name, image.Pt(x, y), img.At(x, y))
			}
		}
	}
}

func TestTestPictureOnDigitsAndLetters(t *testing.T) {
	for name, dd := range digitDisplays {
		chip, _ := dd.chip()
		d := open(t, dd.spec, chip.Env())
		if err := d.Show(testScreen(dd.spec)); err != nil {
			t.Fatal(err)
		}
		got := read(t, d, chip.Text, 2)
		if name == "max7219" || name == "tm1637" {
			golden(t, name+"-test.txt", []byte(got))
		}
		want := map[int]string{8: "8.8.8.8.8.8.8.8.\n87654321\n", 6: "8.8.8.8.8.8.\n654321\n", 4: "8.8.8.8.\n4321\n"}[len(got)/3]
		if got != want && name != "ht16k33-7" && name != "ht16k33-2-7" { // these have a colon in the place of points
			t.Errorf("%s shows %q", name, got)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	ld := letterDisplays["hd44780"]
	chip, _ := ld.chip()
	d := open(t, ld.spec, chip.Env())
	if err := d.Show(testScreen("hd44780:?size=16x2")); err != nil {
		t.Fatal(err)
	}
	golden(t, "letters-test-16x2.txt", []byte(read(t, d, chip.Text, 1)+"\n"+read(t, d, chip.Text, 1)))
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}
