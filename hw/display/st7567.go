//go:build !minimal

package display

import (
	"image"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/spi"
	"periph.io/x/devices/v3/st7567"

	"xtls-agent/hw/internal/spec"
)

// lcd is an ST7567: 128×64 pixels, dark on a light ground, on SPI.
type lcd struct {
	wires
	spec      lcdSpec
	port      spi.Port
	dc, reset gpio.PinIO
	dev       *st7567.Dev // nil before start
}

type lcdSpec struct {
	path, dc, reset string
	opts            st7567.Opts
	upsideDown      bool
}

func parseST7567(s *spec.Spec) func(Env) (Display, error) {
	const example = "st7567:/dev/spidev0.0?dc=GPIO6&reset=GPIO5"
	l := lcdSpec{path: s.NeedPath(example)}
	pins := readPins(s)
	l.dc, l.reset = pins.need("dc", example), pins.may("reset")
	l.opts = st7567.Opts{
		Bias:             map[string]st7567.Bias{"7": st7567.Bias17, "9": st7567.Bias19}[s.Choice("bias", "7", "9")],
		SegmentDirection: st7567.SegmentDirNormal,
		CommonDirection:  st7567.CommonDirReverse,
		Display:          st7567.DisplayNormal,
		RegulationRatio:  st7567.RegulationRatio{st7567.RegResistorRR0, st7567.RegResistorRR1},
		Contrast:         byte(s.Int("contrast", 40, 0, 63)),
	}
	l.upsideDown = s.Choice("rotate", "0", "180") == "180"
	return func(env Env) (Display, error) {
		return newGlass("st7567 on "+l.path, func() (canvas, error) {
			c := &lcd{wires: wires{env: env}, spec: l}
			c.dc, c.reset, c.port = c.pin(l.dc), c.pin(l.reset), c.spi(l.path)
			return c, c.connected()
		}), nil
	}
}

// start also wakes a chip that was sent to sleep and has no line to reset it by.
func (l *lcd) start() (err error) {
	if err := pulse(l.reset); err != nil {
		return err
	}
	if l.dev, err = st7567.New(l.port, l.dc, l.reset, nil, &l.spec.opts); err != nil {
		return err
	}
	return l.dev.WakeUp()
}

func (l *lcd) form() (image.Point, look) { return image.Pt(st7567.Width, st7567.Height), ink }

func (l *lcd) draw(img *image.RGBA) error {
	for y := range st7567.Height {
		for x := range st7567.Width {
			at := image.Pt(x, y)
			if l.spec.upsideDown {
				// Not by the chip's own reversal, which shifts the picture: it has 132 columns.
				at = image.Pt(st7567.Width-1-x, st7567.Height-1-y)
			}
			l.dev.SetPixel(x, y, dark(img, at))
		}
	}
	return l.dev.Update()
}

// dark reports whether a pixel of a picture in two colours is ink.
func dark(img *image.RGBA, p image.Point) bool { return img.Pix[img.PixOffset(p.X, p.Y)+1] < 0x80 }

func (l *lcd) off() error {
	for y := range st7567.Height {
		for x := range st7567.Width {
			l.dev.SetPixel(x, y, false)
		}
	}
	if err := l.dev.Update(); err != nil {
		return err
	}
	return l.dev.PowerSave()
}
