//go:build !minimal

package displaytest

import (
	"fmt"
	"image"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/devices/v3/ssd1306/image1bit"
)

// OLED is an SSD1306 on a board of its own, in memory. It plays what went over the
// bus as the datasheet (rev. 1.1, §8 and §9) says, apart from scrolling.
type OLED struct {
	Board
	H  int    // rows of the glass, 64 or 32
	DC string // on SPI, the line that tells commands from data
}

// NewOLED returns a display of h rows at an address on I²C.
func NewOLED(addr uint16, h int) *OLED { return &OLED{Board: Board{Chips: []uint16{addr}}, H: h} }

// Picture is what the glass shows, black if the display is off. It fails if the
// bus carried anything that the datasheet does not allow.
func (o *OLED) Picture() (*image1bit.VerticalLSB, error) {
	c, err := o.play()
	if err != nil {
		return nil, err
	}
	return c.picture(o.H)
}

// State reports whether the display is on, and whether its memory holds a picture:
// it can be on and empty, and it can be off and still hold one.
func (o *OLED) State() (on, holds bool, err error) {
	c, err := o.play()
	if err != nil {
		return false, false, err
	}
	return c.on, c.ram != [8][128]byte{}, nil
}

// play gives a new controller all that went over the bus.
func (o *OLED) play() (*controller, error) {
	c := &controller{}
	var dc gpio.Level
	for _, e := range o.Events() {
		var err error
		switch {
		case e.Line == o.DC && o.DC != "":
			dc = e.Level
		case e.Line != "": // reset: the driver sets everything up after it
		case e.SPI && dc == gpio.Low: // §8.1.3: D/C# tells what it is
			err = c.commands(e.Data)
		case e.SPI:
			c.data(e.Data)
		default:
			err = c.transfer(e.Data)
		}
		if err != nil {
			return nil, err
		}
	}
	return c, nil
}

// controller is the state of the chip as far as a picture depends on it.
type controller struct {
	ram       [8][128]byte
	page, col int
	on        bool
	pump      bool // charge pump: without it the glass stays dark
	remap     bool // segment remap (A1)
	scanDown  bool // COM scan from COM[N-1] (C8)
	inverted  bool
	ratio     int // multiplex ratio, rows - 1
	comPins   byte
}

// transfer takes one I²C write: a control byte, then commands or data (§8.1.5.2).
func (c *controller) transfer(w []byte) error {
	if len(w) == 0 {
		return nil
	}
	switch w[0] {
	case 0x00:
		return c.commands(w[1:])
	case 0x40:
		c.data(w[1:])
		return nil
	}
	return fmt.Errorf("displaytest: control byte %#x", w[0])
}

func (c *controller) data(w []byte) {
	for _, b := range w {
		c.ram[c.page][c.col] = b
		c.col = (c.col + 1) % 128
	}
}

// operands is the number of bytes after a command (§9, table 9-1).
func operands(cmd byte) int {
	switch cmd {
	case 0x20, 0x81, 0x8D, 0xA8, 0xD3, 0xD5, 0xD9, 0xDA, 0xDB:
		return 1
	case 0x21, 0x22:
		return 2
	}
	return 0
}

func (c *controller) commands(w []byte) error {
	for len(w) > 0 {
		cmd, n := w[0], operands(w[0])
		if len(w) < 1+n {
			return fmt.Errorf("displaytest: command %#x lacks operands", cmd)
		}
		if err := c.command(cmd, w[1:1+n]); err != nil {
			return err
		}
		w = w[1+n:]
	}
	return nil
}

func (c *controller) command(cmd byte, arg []byte) error {
	switch {
	case cmd <= 0x0F:
		c.col = c.col&0x70 | int(cmd)
	case cmd <= 0x1F:
		c.col = c.col&0x0F | int(cmd&0x07)<<4
	case cmd >= 0xB0 && cmd <= 0xB7:
		c.page = int(cmd & 0x07)
	case cmd == 0xAE || cmd == 0xAF:
		c.on = cmd == 0xAF
	case cmd == 0xA0 || cmd == 0xA1:
		c.remap = cmd == 0xA1
	case cmd == 0xC0 || cmd == 0xC8:
		c.scanDown = cmd == 0xC8
	case cmd == 0xA6 || cmd == 0xA7:
		c.inverted = cmd == 0xA7
	case cmd == 0x8D:
		c.pump = arg[0]&0x04 != 0
	case cmd == 0xA8:
		c.ratio = int(arg[0])
	case cmd == 0xDA:
		c.comPins = arg[0]
	case cmd == 0xD3 && arg[0] != 0, cmd > 0x40 && cmd <= 0x7F, cmd == 0xA5:
		return fmt.Errorf("displaytest: command %#x shifts or hides the picture", cmd)
	case cmd == 0x20, cmd == 0x21, cmd == 0x22, cmd == 0x2E, cmd == 0x40, cmd == 0x81,
		cmd == 0xA4, cmd == 0xD3, cmd == 0xD5, cmd == 0xD9, cmd == 0xDB:
		// timing, contrast, addressing as used here: no pixel depends on it
	default:
		return fmt.Errorf("displaytest: unknown command %#x", cmd)
	}
	return nil
}

// picture is the glass as it hangs on a module: upright with A1 and C8.
func (c *controller) picture(h int) (*image1bit.VerticalLSB, error) {
	img := image1bit.NewVerticalLSB(image.Rect(0, 0, 128, h))
	if !c.on || !c.pump {
		return img, nil
	}
	// §10.1.18 and the wiring of the glass: sequential COM pins on 32 rows,
	// alternative ones on 64.
	if want := map[int]byte{64: 0x12, 32: 0x02}[h]; c.comPins != want || c.ratio != h-1 {
		return nil, fmt.Errorf("displaytest: COM pins %#x and multiplex ratio %d do not drive %d rows", c.comPins, c.ratio, h)
	}
	for y := range h {
		for x := range 128 {
			bit := c.ram[y/8][x]>>(y%8)&1 == 1
			img.SetBit(flip(x, 128, !c.remap), flip(y, h, !c.scanDown), image1bit.Bit(bit != c.inverted))
		}
	}
	return img, nil
}

func flip(i, n int, do bool) int {
	if do {
		return n - 1 - i
	}
	return i
}
