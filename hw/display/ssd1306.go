//go:build !minimal

package display

import (
	"errors"
	"fmt"
	"image"
	"os"
	"sync"

	"periph.io/x/conn/v3/i2c"
	"periph.io/x/devices/v3/ssd1306"
	"periph.io/x/devices/v3/ssd1306/image1bit"

	"xtls-agent/hw/internal/spec"
)

// oled is an SSD1306 on an I²C bus: 128×64 pixels (most modules of 0.96 inches)
// or 128×32 (0.91 inches).
//
// It opens the bus at the first Show, and again after an error. That also
// brings back a display that lost its power: it is set up anew and gets the whole
// frame. (The driver's idea of what the display holds is wrong after a failed
// transfer, so its partial updates must not go on.)
type oled struct {
	env  Env
	bus  string // path, as /dev/i2c-1
	addr uint16
	opts ssd1306.Opts

	mu       sync.Mutex // guards what follows
	renderer *renderer
	dev      *ssd1306.Dev // nil while not open
	closer   i2c.BusCloser
	closed   bool
}

func parseSSD1306(s *spec.Spec) func(Env) (Display, error) {
	bus := s.NeedPath("ssd1306:/dev/i2c-1")
	addr := s.Int("addr", 0x3C, 0x3C, 0x3D) // datasheet §8.1.5.1: the SA0 pin is the only choice
	short := s.Choice("h", "64", "32") == "32"
	upsideDown := s.Choice("rotate", "0", "180") == "180"
	return func(env Env) (Display, error) {
		opts := ssd1306.DefaultOpts
		if short {
			opts.H = 32
			opts.Sequential = true // how the 128×32 glass is wired to the COM pins
		}
		opts.MirrorVertical, opts.MirrorHorizontal = upsideDown, upsideDown
		r, err := newRenderer(image.Pt(opts.W, opts.H), lit)
		if err != nil {
			return nil, err
		}
		return &oled{env: env, bus: bus, addr: uint16(addr), opts: opts, renderer: r}, nil
	}
}

// Show draws the screen; only what changed goes over the bus.
func (o *oled) Show(s Screen) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return os.ErrClosed
	}
	img, err := o.renderer.render(s)
	if err != nil {
		return err
	}
	return o.draw(img)
}

// Close blanks the display's memory, switches it off and frees the bus.
func (o *oled) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil
	}
	o.closed = true
	if err := o.draw(image1bit.NewVerticalLSB(image.Rect(0, 0, o.opts.W, o.opts.H))); err != nil {
		return err
	}
	err := o.dev.Halt()
	if err := errors.Join(err, o.release()); err != nil {
		return fmt.Errorf("display: switching off the ssd1306 on %s: %w", o.bus, err)
	}
	return nil
}

func (o *oled) draw(img image.Image) error {
	if err := o.open(); err != nil {
		return err
	}
	if err := o.dev.Draw(o.dev.Bounds(), img, image.Point{}); err != nil {
		return o.lost(err)
	}
	return nil
}

func (o *oled) open() error {
	if o.dev != nil {
		return nil
	}
	bus, err := o.env.openI2C(o.bus)
	if err != nil {
		return fmt.Errorf("display: opening the ssd1306 on %s: %w", o.bus, err)
	}
	o.closer = bus
	o.dev, err = ssd1306.NewI2C(readdressed{bus, o.addr}, &o.opts)
	if err != nil {
		return o.lost(err)
	}
	return nil
}

// lost closes the bus after a failed transfer; the next Show begins anew.
func (o *oled) lost(err error) error {
	err = errors.Join(err, o.release())
	return fmt.Errorf("display: no answer from the ssd1306 at address %#x on %s (check the wiring, and that nothing else drives it): %w",
		o.addr, o.bus, err)
}

func (o *oled) release() error {
	err := o.closer.Close()
	o.dev, o.closer = nil, nil
	return err
}

// readdressed sends everything to one address: periph's driver knows no address
// but 0x3C.
type readdressed struct {
	i2c.Bus
	addr uint16
}

func (b readdressed) Tx(_ uint16, w, r []byte) error { return b.Bus.Tx(b.addr, w, r) }
