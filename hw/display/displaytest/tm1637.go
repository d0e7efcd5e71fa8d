//go:build !minimal

package displaytest

import (
	"fmt"
	"strings"

	"periph.io/x/conn/v3/gpio"
)

// TM1637 is digits on the lines CLK and DIO of a board of its own, in memory
// (datasheet v2.4). It acknowledges each byte by pulling DIO low.
type TM1637 struct {
	Board
	Order string // the grid of each digit, from the left, as in "123456"

	live tm1637 // what it is in the middle of; it acknowledges
}

// NewTM1637 returns a display that answers.
func NewTM1637(order string) *TM1637 {
	t := &TM1637{Order: order}
	t.React = func(e Event) {
		_ = t.live.event(e) // Text reports it
		if t.live.acknowledges {
			t.Drive("DIO", gpio.Low)
		} else {
			t.Release("DIO")
		}
	}
	return t
}

// tm1637 is the chip.
type tm1637 struct {
	clk, dio     gpio.Level
	bits         int // of the byte that is coming in
	in           byte
	acknowledges bool
	first        bool // the next byte is a command

	fixed bool // the address stays where it is
	addr  int
	ram   [6]byte
	on    bool
}

// event is a change of a line (§6, §7).
func (c *tm1637) event(e Event) error {
	switch e.Line {
	case "CLK":
		rose, fell := bool(e.Level && !c.clk), bool(!e.Level && c.clk)
		c.clk = e.Level
		return c.clocked(rose, fell)
	case "DIO":
		fell, rose := bool(c.dio && !e.Level), bool(!c.dio && e.Level)
		c.dio = e.Level
		if bool(c.clk) && fell { // start
			c.bits, c.first = 0, true
		}
		if bool(c.clk) && rose && c.bits > 1 {
			return fmt.Errorf("displaytest: a stop after %d bits", c.bits)
		}
	}
	return nil
}

func (c *tm1637) clocked(rose, fell bool) error {
	switch {
	case rose && c.acknowledges: // the ninth
	case rose:
		c.in >>= 1 // the lowest bit comes first
		if c.dio {
			c.in |= 0x80
		}
		c.bits++
	case fell && c.acknowledges:
		c.acknowledges, c.bits = false, 0
	case fell && c.bits == 8:
		c.acknowledges = true
		return c.take(c.in)
	}
	return nil
}

// take takes a byte: the first after a start is a command (§5).
func (c *tm1637) take(b byte) error {
	if !c.first {
		if c.addr >= len(c.ram) {
			return fmt.Errorf("displaytest: data beyond grid 6")
		}
		c.ram[c.addr] = b
		c.addr++
		return nil
	}
	c.first = false
	switch b & 0xC0 {
	case 0x40:
		c.fixed = b&0x04 != 0
		if b&^0x04 != 0x40 {
			return fmt.Errorf("displaytest: data command %#x", b)
		}
	case 0xC0:
		c.addr = int(b & 0x0F)
	case 0x80:
		c.on = b&0x08 != 0
	default:
		return fmt.Errorf("displaytest: unknown command %#x", b)
	}
	return nil
}

// PowerCycle forgets all that the display was told.
func (t *TM1637) PowerCycle() {
	t.Board.PowerCycle()
	t.live = tm1637{}
	t.Release("DIO")
}

func (t *TM1637) play() (*tm1637, error) {
	c := &tm1637{}
	for _, e := range t.Events() {
		if err := c.event(e); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Text is what a person reads, from the left.
func (t *TM1637) Text() (string, error) {
	c, err := t.play()
	if err != nil {
		return "", err
	}
	if !c.on {
		return strings.Repeat(" ", len(t.Order)), nil
	}
	var b strings.Builder
	for _, grid := range t.Order {
		bits := c.ram[grid-'1']
		digit, err := readSegments(lit(uint16(bits), "ABCDEFG"), seven, bits&0x80 != 0)
		if err != nil {
			return "", err
		}
		b.WriteString(digit)
	}
	return b.String(), nil
}

// Holds reports whether a digit is kept that another program could make visible.
func (t *TM1637) Holds() bool {
	c, err := t.play()
	return err != nil || c.ram != [6]byte{}
}
