//go:build !minimal

package display

import (
	"fmt"
	"image"
	"strings"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/devices/v3/ssd1306"
	"periph.io/x/devices/v3/ssd1306/image1bit"

	"xtls-agent/hw/internal/spec"
)

// oled is an SSD1306 on an I²C or SPI bus: 128×64 pixels (most modules of 0.96
// inches) or 128×32 (0.91 inches).
type oled struct {
	wires
	reset gpio.PinIO // nil if it is not wired
	make  func() (*ssd1306.Dev, error)
	dev   *ssd1306.Dev // nil before start
	size  image.Point
}

// oledSpec says where an oled is. On I²C it has an address, on SPI a pin that tells
// commands from data.
type oledSpec struct {
	path      string
	addr      int
	dc, reset string
	opts      ssd1306.Opts
}

func parseSSD1306(s *spec.Spec) func(Env) (Display, error) {
	o := oledSpec{path: s.NeedPath("ssd1306:/dev/i2c-1"), opts: ssd1306.DefaultOpts}
	pins := readPins(s)
	name := "ssd1306 on " + o.path
	if strings.HasPrefix(o.path, "/dev/spidev") {
		o.dc = pins.need("dc", "ssd1306:/dev/spidev0.0?dc=GPIO25")
	} else {
		o.addr = s.Int("addr", 0x3C, 0x3C, 0x3D) // datasheet §8.1.5.1: the SA0 pin is the only choice
		name = fmt.Sprintf("ssd1306 at address %#x on %s", o.addr, o.path)
	}
	if s.Choice("h", "64", "32") == "32" {
		o.opts.H = 32
		o.opts.Sequential = true // how the 128×32 glass is wired to the COM pins
	}
	o.reset = pins.may("reset")
	upsideDown := s.Choice("rotate", "0", "180") == "180"
	o.opts.MirrorVertical, o.opts.MirrorHorizontal = upsideDown, upsideDown
	return func(env Env) (Display, error) {
		return newGlass(name, func() (canvas, error) { return o.connect(env) }), nil
	}
}

func (s oledSpec) connect(env Env) (canvas, error) {
	o := &oled{wires: wires{env: env}, size: image.Pt(s.opts.W, s.opts.H)}
	o.reset = o.pin(s.reset)
	if s.dc == "" {
		bus := o.i2c(s.path)
		o.make = func() (*ssd1306.Dev, error) { return ssd1306.NewI2C(readdressed{bus, uint16(s.addr)}, &s.opts) }
	} else {
		dc, port := o.pin(s.dc), o.spi(s.path)
		o.make = func() (*ssd1306.Dev, error) { return ssd1306.NewSPI(port, dc, &s.opts) }
	}
	return o, o.connected()
}

func (o *oled) start() (err error) {
	if err := pulse(o.reset); err != nil {
		return err
	}
	o.dev, err = o.make()
	return err
}

func (o *oled) form() (image.Point, look) { return o.size, lit }

// draw sends only what changed over the bus.
func (o *oled) draw(img *image.RGBA) error { return o.dev.Draw(o.dev.Bounds(), img, image.Point{}) }

// off blanks the memory too, which would show the PIN again when another program switches the display on.
func (o *oled) off() error {
	if err := o.dev.Draw(o.dev.Bounds(), image1bit.NewVerticalLSB(o.dev.Bounds()), image.Point{}); err != nil {
		return err
	}
	return o.dev.Halt()
}

// readdressed sends everything to one address: periph's driver knows no address
// but 0x3C.
type readdressed struct {
	i2c.Bus
	addr uint16
}

func (b readdressed) Tx(_ uint16, w, r []byte) error { return b.Bus.Tx(b.addr, w, r) }
