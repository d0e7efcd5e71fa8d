//go:build !minimal

package display

import (
	"errors"
	"image"
	"time"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/devices/v3/waveshare2in13v4"

	"xtls-agent/hw/internal/spec"
)

// waveshare is Waveshare's e-paper of 2.13 inches, 250×122 pixels, version 4 (an
// SSD1680), on SPI. It is seen as a landscape; the glass is a portrait.
type waveshare struct {
	wires
	paper
	spec             waveshareSpec
	bus              tappedPort
	dc, reset, power gpio.PinIO
	busy             *busyLine
	dev              *waveshare2in13v4.Dev // nil before start
}

type waveshareSpec struct {
	path                   string
	dc, reset, busy, power string
	upsideDown             bool
}

// waveshareBusy is the limit of one wait: a refresh takes 2 s, in the cold 6.
const waveshareBusy = 15 * time.Second

func parseWaveshare2in13v4(s *spec.Spec) func(Env) (Display, error) {
	w := waveshareSpec{path: s.NeedPath("waveshare2in13v4:/dev/spidev0.0")}
	pins := readPins(s)
	w.dc, w.reset, w.busy = pins.or("dc", "GPIO25"), pins.or("reset", "GPIO17"), pins.or("busy", "GPIO24")
	w.power = pins.may("power")
	w.upsideDown = s.Choice("rotate", "0", "180") == "180"
	return func(env Env) (Display, error) {
		return slowGlass{newGlass("waveshare2in13v4 on "+w.path, func() (canvas, error) {
			c := &waveshare{wires: wires{env: env}, spec: w}
			c.dc, c.reset, c.power = c.pin(w.dc), c.pin(w.reset), c.pin(w.power)
			c.busy = &busyLine{PinIO: c.pin(w.busy), name: w.busy, limit: waveshareBusy}
			c.bus.Port = c.spi(w.path)
			return c, c.connected()
		})}, nil
	}
}

func (w *waveshare) start() (err error) {
	if w.power != nil {
		if err := w.power.Out(gpio.High); err != nil {
			return err
		}
		time.Sleep(resetPulse)
	}
	w.dev, err = waveshare2in13v4.New(&w.bus, w.dc, kernelSelects{gpio.INVALID}, w.reset, w.busy, &waveshare2in13v4.EPD2in13v4)
	return err
}

// The glass, in bytes of eight pixels.
const (
	waveshareW = 122
	waveshareH = 250
	waveshareB = (waveshareW + 7) / 8
)

func (w *waveshare) form() (image.Point, look) { return image.Pt(waveshareH, waveshareW), ink }

func (w *waveshare) draw(img *image.RGBA) error {
	return w.refresh(img, func() error {
		return errors.Join(w.print(w.memory(img)), w.busy.err)
	})
}

// memory is the picture as the chip has it: row by row of the glass, white set. The
// right of the picture is the top of the glass.
func (w *waveshare) memory(img *image.RGBA) []byte {
	mem := make([]byte, waveshareH*waveshareB)
	for y := range waveshareH {
		for x := range waveshareW {
			at := image.Pt(waveshareH-1-y, x)
			if w.spec.upsideDown {
				at = image.Pt(y, waveshareW-1-x)
			}
			if !dark(img, at) {
				mem[y*waveshareB+x/8] |= 0x80 >> (x % 8)
			}
		}
	}
	return mem
}

// print sets the chip up, which wakes it, refreshes the glass, and sends it to sleep.
// The picture does not go by periph's Draw, which refreshes twice.
func (w *waveshare) print(mem []byte) error {
	w.busy.limit = afterReset
	if err := errors.Join(w.dev.Init(), w.busy.err); err != nil {
		return err
	}
	w.busy.limit = waveshareBusy
	// SSD1680 datasheet, table 7: both memories, the whole sequence of an update, go.
	for _, c := range []struct {
		command byte
		data    []byte
	}{{0x24, mem}, {0x26, mem}, {0x22, []byte{0xF7}}, {0x20, nil}} {
		if err := w.command(c.command, c.data); err != nil {
			return err
		}
	}
	for w.busy.Read() == gpio.High {
		w.busy.WaitForEdge(10 * time.Millisecond)
	}
	return errors.Join(w.busy.err, w.dev.Sleep())
}

func (w *waveshare) command(c byte, data []byte) error {
	if err := w.dc.Out(gpio.Low); err != nil {
		return err
	}
	if err := w.bus.conn.Tx([]byte{c}, nil); err != nil || data == nil {
		return err
	}
	if err := w.dc.Out(gpio.High); err != nil {
		return err
	}
	return w.bus.conn.Tx(data, nil)
}

func (w *waveshare) off() error {
	if err := w.draw(blank(image.Pt(waveshareH, waveshareW))); err != nil || w.power == nil {
		return err
	}
	return w.power.Out(gpio.Low)
}
