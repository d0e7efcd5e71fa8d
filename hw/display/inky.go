//go:build !minimal

package display

import (
	"errors"
	"image"
	"image/color"
	"time"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/devices/v3/inky"

	"xtls-agent/hw/internal/spec"
)

// inkyPaper is Pimoroni's Inky pHAT of 212×104 pixels or wHAT of 400×300, on SPI.
type inkyPaper struct {
	wires
	paper
	spec      inkySpec
	bus       keptErrors
	dc, reset gpio.PinIO
	busy      *busyLine
	dev       *inky.Dev // nil before start
}

type inkySpec struct {
	path, dc, reset, busy string
	model                 inky.Model
	color                 inky.Color
	upsideDown            bool
}

// inkyBusy is the limit of one wait: a refresh takes up to 25 s in yellow, and longer
// in the cold.
const inkyBusy = 45 * time.Second

func parseInky(s *spec.Spec) func(Env) (Display, error) {
	i := inkySpec{path: s.NeedPath("inky:/dev/spidev0.0?model=phat&color=black")}
	i.model = map[string]inky.Model{"phat": inky.PHAT, "what": inky.WHAT}[s.Choice("model", "phat", "what")]
	i.color = map[string]inky.Color{"black": inky.Black, "red": inky.Red, "yellow": inky.Yellow}[s.Choice("color", "black", "red", "yellow")]
	pins := readPins(s)
	i.dc, i.reset, i.busy = pins.or("dc", "GPIO22"), pins.or("reset", "GPIO27"), pins.or("busy", "GPIO17")
	i.upsideDown = s.Choice("rotate", "0", "180") == "180"
	return func(env Env) (Display, error) {
		return slowGlass{newGlass("inky on "+i.path, func() (canvas, error) {
			c := &inkyPaper{wires: wires{env: env}, spec: i}
			c.dc, c.reset = c.pin(i.dc), c.pin(i.reset)
			c.busy = &busyLine{PinIO: c.pin(i.busy), name: i.busy, limit: inkyBusy}
			c.bus.Port = c.spi(i.path)
			return c, c.connected()
		})}, nil
	}
}

func (i *inkyPaper) start() (err error) {
	i.dev, err = inky.New(&i.bus, i.dc, i.reset, i.busy, &inky.Opts{
		Model: i.spec.model, ModelColor: i.spec.color, BorderColor: inky.White,
		Width: 1, // the driver takes the size of the model, unless both are 0
	})
	return err
}

// form has the PIN in red where there is red. Yellow on white cannot be read.
func (i *inkyPaper) form() (image.Point, look) {
	l := ink
	if i.spec.color == inky.Red {
		l.pin = color.RGBA{R: 0xFF, A: 0xFF}
	}
	if i.spec.model == inky.PHAT {
		return image.Pt(212, 104), l
	}
	return image.Pt(400, 300), l
}

func (i *inkyPaper) draw(img *image.RGBA) error {
	return i.refresh(img, func() error {
		i.busy.next = afterReset
		return errors.Join(i.dev.DrawAll(i.turned(img)), i.bus.err, i.busy.err)
	})
}

// turned is the picture as the driver wants it: the glass of a pHAT is a portrait, of
// which the driver begins with the last row, and is seen as a landscape.
func (i *inkyPaper) turned(img *image.RGBA) image.Image {
	size := img.Rect.Size()
	out := image.NewRGBA(i.dev.Bounds())
	for y := range size.Y {
		for x := range size.X {
			from, to := image.Pt(x, y), image.Pt(x, y)
			if i.spec.upsideDown {
				from = image.Pt(size.X-1-x, size.Y-1-y)
			}
			if i.spec.model == inky.PHAT {
				to = image.Pt(size.Y-1-y, size.X-1-x)
			}
			out.SetRGBA(to.X, to.Y, img.RGBAAt(from.X, from.Y))
		}
	}
	return out
}

func (i *inkyPaper) off() error {
	size, _ := i.form()
	return i.draw(blank(size))
}
