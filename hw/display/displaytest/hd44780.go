//go:build !minimal

package displaytest

import (
	"fmt"
	"time"

	"periph.io/x/conn/v3/gpio"
)

// HD44780 is a character display on the lines RS, E and D4 to D7 of a board of its
// own, in memory. It holds the driver to the times of the datasheet.
type HD44780 struct {
	Board
	Cols, Rows int
}

// hd44780 is the chip with its bus.
type hd44780 struct {
	*lcd
	level map[string]gpio.Level
	four  bool // bits at a time; after power comes there are eight
	half  bool // the upper half of a byte is in
	upper byte
	since time.Time     // the last byte
	busy  time.Duration // after it
}

func (h *HD44780) play() (*hd44780, error) {
	c := &hd44780{lcd: newLCD(), level: map[string]gpio.Level{}}
	for _, e := range h.Events() {
		if err := c.event(e); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// event takes what lies on the lines when E falls.
func (c *hd44780) event(e Event) error {
	fell := e.Line == "E" && bool(c.level["E"]) && !bool(e.Level)
	c.level[e.Line] = e.Level
	if !fell {
		return nil
	}
	var bits byte
	for i, line := range []string{"D4", "D5", "D6", "D7"} {
		if c.level[line] {
			bits |= 1 << i
		}
	}
	switch {
	case !c.four: // D0 to D3 are not wired
		return c.take(bits<<4, e.At)
	case !c.half:
		c.half, c.upper = true, bits
		return nil
	}
	c.half = false
	return c.take(c.upper<<4|bits, e.At)
}

func (c *hd44780) take(b byte, at time.Time) error {
	if waited := at.Sub(c.since); waited < c.busy {
		return fmt.Errorf("displaytest: %#x comes after %v, the chip is busy for %v", b, waited, c.busy)
	}
	c.since, c.busy = at, 37*time.Microsecond
	if c.level["RS"] {
		return c.data(b)
	}
	switch {
	case b == 0x01 || b&^0x01 == 0x02:
		c.busy = 1520 * time.Microsecond
	case b == 0x30 && !c.four: // figure 24: resetting by instruction
		c.busy = 100 * time.Microsecond
	case b&^0x0F == 0x20:
		c.four = true
	}
	return c.instruction(b)
}

// Text is what a person reads, a line for each row.
func (h *HD44780) Text() (string, error) {
	c, err := h.play()
	if err != nil {
		return "", err
	}
	return c.text(h.Cols, h.Rows)
}

// Holds reports whether a digit is kept that another program could make visible.
func (h *HD44780) Holds() bool {
	c, err := h.play()
	return err != nil || c.holds()
}
