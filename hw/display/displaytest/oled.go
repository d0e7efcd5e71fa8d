package displaytest

import (
	"errors"
	"fmt"
	"image"
	"sync"

	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/i2c/i2ctest"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/devices/v3/ssd1306/image1bit"
)

// OLED is an SSD1306 on an I²C bus of its own, in memory. It records the bus, and
// plays what was recorded as the datasheet (rev. 1.1, §8 and §9) says, apart from
// scrolling. Its methods may be called from any goroutine.
type OLED struct {
	Addr uint16 // where it answers
	H    int    // rows of the glass, 64 or 32

	mu   sync.Mutex // guards what follows
	rec  i2ctest.Record
	fail error
	left int // transfers until fail strikes
	open int
}

// Open is a display.Env.OpenI2C.
func (o *OLED) Open(string) (i2c.BusCloser, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open++
	return &oledBus{oled: o}, nil
}

// Fail lets transfers fail with err after the next n; a nil error mends the bus.
func (o *OLED) Fail(err error, n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fail, o.left = err, n
}

// OpenBuses is the number of times that the bus is open now.
func (o *OLED) OpenBuses() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.open
}

// PowerCycle forgets all that the display was told.
func (o *OLED) PowerCycle() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rec.Ops = nil
}

// Bytes is the number of bytes that went over the bus, addresses included.
func (o *OLED) Bytes() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := 0
	for _, op := range o.rec.Ops {
		n += 1 + len(op.W)
	}
	return n
}

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
	o.mu.Lock()
	defer o.mu.Unlock()
	c := &controller{}
	for _, op := range o.rec.Ops {
		if op.Addr != o.Addr {
			return nil, fmt.Errorf("displaytest: a transfer to address %#x", op.Addr)
		}
		if err := c.transfer(op.W); err != nil {
			return nil, err
		}
	}
	return c, nil
}

type oledBus struct {
	oled   *OLED
	closed bool // guarded by oled.mu
}

func (b *oledBus) String() string                  { return "oled" }
func (b *oledBus) SetSpeed(physic.Frequency) error { return nil }

func (b *oledBus) Tx(addr uint16, w, r []byte) error {
	b.oled.mu.Lock()
	defer b.oled.mu.Unlock()
	if b.closed {
		return errors.New("displaytest: transfer on a bus that was closed")
	}
	if b.oled.fail != nil {
		if b.oled.left == 0 {
			return b.oled.fail
		}
		b.oled.left--
	}
	return b.oled.rec.Tx(addr, w, r)
}

func (b *oledBus) Close() error {
	b.oled.mu.Lock()
	defer b.oled.mu.Unlock()
	if b.closed {
		return errors.New("displaytest: bus closed twice")
	}
	b.closed = true
	b.oled.open--
	return nil
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
		for _, b := range w[1:] {
			c.ram[c.page][c.col] = b
			c.col = (c.col + 1) % 128
		}
		return nil
	}
	return fmt.Errorf("displaytest: control byte %#x", w[0])
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
