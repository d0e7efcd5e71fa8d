//go:build !minimal

package display_test

import (
	"bytes"
	"image"
	"testing"

	"xtls-agent/hw/display/displaytest"
)

// inkOn has 0 where the ground is, for the conformance suite.
func inkOn(img *image.Gray, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	pix := make([]byte, len(img.Pix))
	for i, p := range img.Pix {
		pix[i] = ^p
	}
	return pix, nil
}

func TestST7567Conforms(t *testing.T) {
	for _, spec := range []string{"st7567:/dev/spidev0.0?dc=DC", "st7567:/dev/spidev0.0?dc=DC&reset=RST"} {
		displaytest.Run(t, func(t *testing.T) displaytest.Rig {
			lcd := &displaytest.ST7567{}
			return pictures(t, spec, &lcd.Board, func() ([]byte, error) { return inkOn(lcd.Picture()) })
		})
	}
}

func TestST7567Goldens(t *testing.T) {
	for name, s := range screens() {
		pic := func(spec string) *image.Gray {
			lcd := &displaytest.ST7567{}
			d := open(t, spec, lcd.Env())
			if err := d.Show(s); err != nil {
				t.Fatal(err)
			}
			img, err := lcd.Picture()
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Close(); err != nil || lcd.Holds() {
				t.Errorf("Close = %v, and a picture is kept: %t", err, lcd.Holds())
			}
			return img
		}
		img := pic("st7567:/dev/spidev0.0?dc=DC&reset=RST&bias=9&contrast=20")
		goldenImage(t, "st7567-"+name, img)
		turned := pic("st7567:/dev/spidev0.0?dc=DC&rotate=180")
		for y := range 64 {
			for x := range 128 {
				if turned.GrayAt(x, y) != img.GrayAt(127-x, 63-y) {
					t.Fatalf("%s turned by 180°: pixel %v differs", name, image.Pt(x, y))
				}
			}
		}
	}
}

// What was sent to sleep, without a line to reset it by, wakes.
func TestST7567Wakes(t *testing.T) {
	lcd := &displaytest.ST7567{}
	for range 2 {
		d := open(t, "st7567:/dev/spidev0.0?dc=DC", lcd.Env())
		if err := d.Show(displaytest.PIN()); err != nil {
			t.Fatal(err)
		}
		if pix, err := inkOn(lcd.Picture()); err != nil || len(bytes.Trim(pix, "\x00")) == 0 {
			t.Fatalf("nothing is seen, %v", err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
