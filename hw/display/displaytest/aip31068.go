//go:build !minimal

package displaytest

import "fmt"

// AiP31068 is a character display on I²C, in memory; with a light behind it that a
// PCA9633 at address 0x60 switches, if Light is set.
type AiP31068 struct {
	Board
	Cols, Rows int
	Light      bool
}

// NewAiP31068 returns a display at address 0x3E.
func NewAiP31068(cols, rows int, light bool) *AiP31068 {
	a := &AiP31068{Board: Board{Chips: []uint16{0x3E}}, Cols: cols, Rows: rows, Light: light}
	if light {
		a.Chips = append(a.Chips, 0x60)
	}
	return a
}

func (a *AiP31068) play() (c *lcd, leds byte, err error) {
	c = newLCD()
	for _, e := range a.Events() {
		switch {
		case e.Addr == 0x60 && e.Data[0] == 0x08: // PCA9633 datasheet, table 11: LEDOUT, two bits for each light
			leds = e.Data[1]
		case e.Addr == 0x3E:
			err = feed(c, e.Data)
		}
		if err != nil {
			return nil, 0, err
		}
	}
	return c, leds, nil
}

// feed takes one write: control bytes (AiP31068 datasheet, I²C interface: bit 7 says
// that another follows after the next byte, bit 6 that bytes are data), and bytes.
func feed(c *lcd, w []byte) error {
	for len(w) > 0 {
		control := w[0]
		if control&0x3F != 0 || len(w) < 2 {
			return fmt.Errorf("displaytest: control byte %#x, and %d more", control, len(w)-1)
		}
		n := len(w)
		if control&0x80 != 0 {
			n = 2
		}
		for _, b := range w[1:n] {
			take := c.instruction
			if control&0x40 != 0 {
				take = c.data
			}
			if err := take(b); err != nil {
				return err
			}
		}
		w = w[n:]
	}
	return nil
}

// Text is what a person reads, a line for each row. In the dark nobody reads.
func (a *AiP31068) Text() (string, error) {
	c, leds, err := a.play()
	if err != nil {
		return "", err
	}
	if a.Light && leds == 0 {
		c.on = false
	}
	return c.text(a.Cols, a.Rows)
}

// Holds reports whether a digit is kept that another program could make visible.
func (a *AiP31068) Holds() bool {
	c, _, err := a.play()
	return err != nil || c.holds()
}
