package hardware

import (
	"image"
	"testing"
	"time"

	"periph.io/x/devices/v3/ssd1306/image1bit"
)

func TestOnBus(t *testing.T) {
	for n, want := range map[int]time.Duration{0: 27500 * time.Nanosecond, 1024: 23067500 * time.Nanosecond} {
		if got := onBus(n); got != want {
			t.Errorf("%d bytes take %v, want %v", n, got, want)
		}
	}
}

func TestOnlyPINDiffers(t *testing.T) {
	glass := func(rows ...int) image.Image {
		picture := image1bit.NewVerticalLSB(image.Rect(0, 0, 128, 64))
		for _, y := range rows {
			picture.SetBit(5, y, image1bit.On)
		}
		return picture
	}
	for name, c := range map[string]struct {
		after image.Image
		ok    bool
	}{
		"another PIN":    {glass(20, 35), true},
		"the same":       {glass(), false},
		"another screen": {glass(2, 50), false},
	} {
		if err := onlyPINDiffers(glass(), c.after); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
