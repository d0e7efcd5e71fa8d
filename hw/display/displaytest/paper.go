//go:build !minimal

package displaytest

import (
	"fmt"
	"image"
	"image/color"
	"time"

	"periph.io/x/conn/v3/gpio"
)

// Paper is e-paper with a chip like the SSD1680 on SPI, on a board of its own, in memory
// (SSD1680 datasheet rev. 0.14, §8; the SSD1675 of older Inkys has the same commands as
// far as they are used). Its lines are DC, RST and BUSY. The glass has W×H pixels.
//
// What it shows it shows without power, asleep, and after a crash: PowerCycle forgets
// only what the chip was told.
type Paper struct {
	Board
	W, H  int
	Look  func(x, y int) image.Point // the pixel of the glass that a person sees at x, y
	Size  image.Point                // as a person sees it
	Takes time.Duration              // to refresh

	// Stuck is a line BUSY that stays high.
	Stuck bool
}

// NewWaveshare2in13v4 is upright where Waveshare's own program is: that turns a
// landscape to the left (epd2in13_V4.py, getbuffer).
func NewWaveshare2in13v4() *Paper {
	p := &Paper{W: 122, H: 250, Size: image.Pt(250, 122)}
	p.Look = func(x, y int) image.Point { return image.Pt(y, p.H-1-x) }
	p.React = p.react
	return p
}

// NewInky is upright where Pimoroni's own program is: that turns the landscape of a pHAT
// to the right (inky.py, numpy.rot90 by -90°), and leaves a wHAT as it is.
func NewInky(what bool) *Paper {
	p := &Paper{W: 104, H: 212, Size: image.Pt(212, 104)}
	p.Look = func(x, y int) image.Point { return image.Pt(p.W-1-y, x) }
	if what {
		p.W, p.H, p.Size, p.Look = 400, 300, image.Pt(400, 300), image.Pt
	}
	p.React = p.react
	return p
}

// react moves BUSY: high from a command that takes time until it is done.
func (p *Paper) react(e Event) {
	command := e.SPI && len(e.Data) == 1 && (e.Data[0] == 0x12 || e.Data[0] == 0x20)
	switch {
	case p.Stuck:
		p.Drive("BUSY", gpio.High)
	case command && e.Data[0] == 0x20 && p.Takes > 0:
		p.Drive("BUSY", gpio.High)
		time.AfterFunc(p.Takes, p.ready)
	case command:
		p.ready()
	default:
		p.Drive("BUSY", gpio.Low)
	}
}

func (p *Paper) ready() {
	p.Drive("BUSY", gpio.Low)
	p.Edge("BUSY", gpio.Low)
}

// paper is the chip.
type paper struct {
	*Paper
	black, red     []byte // memories, row by row
	x0, x1, y0, y1 int    // window: bytes and rows
	x, y           int    // address counters
	command        byte
	args           []byte
	dc, rst        gpio.Level
	asleep         bool
	until          time.Time // it is busy

	shownBlack, shownRed []byte // on the glass
	refreshes            int
}

func (p *Paper) play() (*paper, error) {
	stride := (p.W + 7) / 8
	c := &paper{Paper: p, black: make([]byte, stride*p.H), red: make([]byte, stride*p.H)}
	for _, e := range p.Events() {
		if err := c.event(e); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *paper) event(e Event) error {
	switch {
	case e.Line == "DC":
		c.dc = e.Level
		return nil
	case e.Line == "RST":
		if e.Level && !c.rst {
			c.asleep, c.command = false, 0
		}
		c.rst = e.Level
		return nil
	case e.Line != "":
		return nil
	case e.At.Before(c.until):
		return fmt.Errorf("displaytest: %#x comes while the paper is busy", e.Data[0])
	case c.asleep:
		return fmt.Errorf("displaytest: %#x comes while the paper sleeps", e.Data[0])
	case c.dc == gpio.High:
		for _, b := range e.Data {
			if err := c.data(b); err != nil {
				return err
			}
		}
		return nil
	case len(e.Data) != 1:
		return fmt.Errorf("displaytest: %d commands at once", len(e.Data))
	}
	return c.begin(e.Data[0], e.At)
}

// begin takes a command (§8, table 8-1).
func (c *paper) begin(b byte, at time.Time) error {
	c.command, c.args = b, nil
	switch b {
	case 0x20:
		c.refreshes++
		c.shownBlack, c.shownRed = append([]byte(nil), c.black...), append([]byte(nil), c.red...)
		c.until = at.Add(c.Takes)
	case 0x01, 0x03, 0x04, 0x10, 0x11, 0x12, 0x18, 0x21, 0x22, 0x24, 0x26, 0x2C, 0x32, 0x3A, 0x3B, 0x3C, 0x44, 0x45, 0x4E, 0x4F, 0x74, 0x7E:
	default:
		return fmt.Errorf("displaytest: unknown command %#x", b)
	}
	return nil
}

func (c *paper) data(b byte) error {
	c.args = append(c.args, b)
	a := c.args
	switch c.command {
	case 0x24:
		return c.write(c.black, b)
	case 0x26:
		return c.write(c.red, b)
	case 0x10:
		c.asleep = b&0x03 != 0
	case 0x11:
		if b != 0x03 {
			return fmt.Errorf("displaytest: data entry mode %#x is not played", b)
		}
	case 0x22:
		if b != 0xF7 && b != 0xC7 {
			return fmt.Errorf("displaytest: update %#x leaves the display out, or its voltages on", b)
		}
	case 0x44:
		if len(a) == 2 {
			c.x0, c.x1 = int(a[0]), int(a[1])
		}
	case 0x45:
		if len(a) == 4 {
			c.y0, c.y1 = int(a[0])|int(a[1])<<8, int(a[2])|int(a[3])<<8
		}
	case 0x4E:
		c.x = int(b)
	case 0x4F:
		if len(a) == 2 {
			c.y = int(a[0]) | int(a[1])<<8
		}
	}
	return nil
}

// write puts a byte where the counters stand, which move on within the window.
func (c *paper) write(memory []byte, b byte) error {
	at := c.y*((c.W+7)/8) + c.x
	if at >= len(memory) {
		return fmt.Errorf("displaytest: data for byte %d of row %d", c.x, c.y)
	}
	memory[at] = b
	if c.x++; c.x > c.x1 {
		c.x = c.x0
		c.y++
	}
	if c.y > c.y1 {
		c.y = c.y0
	}
	return nil
}

// Picture is what a person sees: what is set in both memories is coloured.
func (p *Paper) Picture() (*image.RGBA, error) {
	c, err := p.play()
	if err != nil {
		return nil, err
	}
	img := image.NewRGBA(image.Rectangle{Max: p.Size})
	isSet := func(memory []byte, at image.Point) bool {
		return memory[at.Y*((p.W+7)/8)+at.X/8]>>(7-at.X%8)&1 == 1
	}
	for y := range p.Size.Y {
		for x := range p.Size.X {
			at, pixel := p.Look(x, y), color.RGBA{0xFF, 0xFF, 0xFF, 0xFF}
			switch {
			case c.shownBlack == nil:
			case !isSet(c.shownBlack, at):
				pixel = color.RGBA{A: 0xFF}
			case p.W != 122 && isSet(c.shownRed, at): // Waveshare's has no colour
				pixel = color.RGBA{R: 0xFF, A: 0xFF}
			}
			img.SetRGBA(x, y, pixel)
		}
	}
	return img, nil
}

// Refreshes is how often the paper was refreshed, and whether it sleeps.
func (p *Paper) Refreshes() (n int, asleep bool, err error) {
	c, err := p.play()
	if err != nil {
		return 0, false, err
	}
	return c.refreshes, c.asleep, nil
}
