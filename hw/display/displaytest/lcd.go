//go:build !minimal

package displaytest

import (
	"fmt"
	"strings"
)

// lcd is what an HD44780 and its kin do with bytes (HD44780U datasheet, table 6).
type lcd struct {
	ram      [0x80]byte // 0x00 to 0x27 and 0x40 to 0x67 are there
	addr     int
	on       bool
	forward  bool // the cursor moves on with each byte
	twoLines bool
}

func newLCD() *lcd {
	c := &lcd{}
	c.clear()
	return c
}

func (c *lcd) clear() {
	for i := range c.ram {
		c.ram[i] = ' '
	}
	c.addr, c.forward = 0, true
}

func (c *lcd) instruction(b byte) error {
	switch {
	case b >= 0x80:
		c.addr = int(b & 0x7F)
	case b >= 0x40:
		return fmt.Errorf("displaytest: command %#x makes characters", b)
	case b >= 0x20:
		c.twoLines = b&0x08 != 0
	case b >= 0x10:
		return fmt.Errorf("displaytest: command %#x moves the picture or the cursor", b)
	case b >= 0x08:
		c.on = b&0x04 != 0
		if c.on && b&0x03 != 0 {
			return fmt.Errorf("displaytest: command %#x shows a cursor", b)
		}
	case b >= 0x04:
		c.forward = b&0x02 != 0
		if b&0x01 != 0 {
			return fmt.Errorf("displaytest: command %#x moves the picture", b)
		}
	case b >= 0x02:
		c.addr = 0
	case b == 0x01:
		c.clear()
	}
	return nil
}

func (c *lcd) data(b byte) error {
	if c.addr&0x3F > 0x27 || !c.forward || !c.twoLines {
		return fmt.Errorf("displaytest: data for address %#x, forward %t, two lines %t", c.addr, c.forward, c.twoLines)
	}
	c.ram[c.addr] = b
	c.addr++
	return nil
}

// text is what a person reads, a line for each row (figure 4: the glass of four rows
// shows each line of the memory in two).
func (c *lcd) text(cols, rows int) (string, error) {
	var b strings.Builder
	for row := range rows {
		for col := range cols {
			char := byte(' ')
			if c.on {
				char = c.ram[0x40*(row%2)+cols*(row/2)+col]
			}
			r, err := rom(char)
			if err != nil {
				return "", err
			}
			b.WriteRune(r)
		}
		b.WriteByte('\n')
	}
	return b.String(), nil
}

// holds reports whether a digit is kept that another program could make visible.
func (c *lcd) holds() bool { return strings.ContainsAny(string(c.ram[:]), "0123456789") }

// rom is the character generator, the lower half of ROM code A00 (table 4): ASCII but
// for three places.
func rom(b byte) (rune, error) {
	switch {
	case b == 0x5C:
		return '¥', nil
	case b == 0x7E:
		return '→', nil
	case b == 0x7F:
		return '←', nil
	case b >= 0x20 && b < 0x7E:
		return rune(b), nil
	}
	return 0, fmt.Errorf("displaytest: character %#x", b)
}
