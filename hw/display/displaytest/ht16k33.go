//go:build !minimal

package displaytest

import (
	"fmt"
	"strings"
)

// HT16K33 is one or two boards of four digits on I²C, in memory (datasheet v1.10).
type HT16K33 struct {
	Board
	Seven bool // seven segments, and a colon in the middle; else fourteen
}

// NewHT16K33 returns boards at addresses from 0x70 on.
func NewHT16K33(boards int, seven bool) *HT16K33 {
	h := &HT16K33{Seven: seven}
	for i := range boards {
		h.Chips = append(h.Chips, uint16(0x70+i))
	}
	return h
}

// ht16k33 is one chip.
type ht16k33 struct {
	ram        [16]byte
	clock, lit bool
}

func (h *HT16K33) play() (map[uint16]*ht16k33, error) {
	all := map[uint16]*ht16k33{}
	for _, addr := range h.Chips {
		all[addr] = &ht16k33{}
	}
	for _, e := range h.Events() {
		if err := all[e.Addr].command(e.Data); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// command takes one write: a command, and data if it sets the address of the memory.
func (c *ht16k33) command(w []byte) error {
	switch w[0] & 0xF0 {
	case 0x00:
		for i, b := range w[1:] {
			c.ram[(int(w[0])+i)%len(c.ram)] = b
		}
		return nil
	case 0x20:
		c.clock = w[0]&1 == 1
	case 0x80:
		c.lit = w[0]&1 == 1
		if w[0]&0x06 != 0 {
			return fmt.Errorf("displaytest: command %#x makes the display blink", w[0])
		}
	case 0xE0: // how bright
	default:
		return fmt.Errorf("displaytest: unknown command %#x", w[0])
	}
	return nil
}

// Text is what a person reads, from the left.
func (h *HT16K33) Text() (string, error) {
	all, err := h.play()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, addr := range h.Chips {
		text, err := all[addr].text(h.Seven)
		if err != nil {
			return "", err
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

// text reads four digits. On boards with seven segments the third column is the colon.
func (c *ht16k33) text(isSeven bool) (string, error) {
	if !c.clock || !c.lit {
		return strings.Repeat(" ", 4), nil
	}
	cols, names, table := []int{0, 1, 2, 3}, "ABCDEFghjklmnp", fourteen
	if isSeven {
		cols, names, table = []int{0, 1, 3, 4}, "ABCDEFG", seven
	}
	var b strings.Builder
	for _, col := range cols {
		bits := uint16(c.ram[2*col]) | uint16(c.ram[2*col+1])<<8
		point := bits>>len(names)&1 == 1
		digit, err := readSegments(lit(bits, names), table, point)
		if err != nil {
			return "", err
		}
		b.WriteString(digit)
	}
	return b.String(), nil
}

// Holds reports whether a digit is kept that another program could make visible.
func (h *HT16K33) Holds() bool {
	all, err := h.play()
	for _, c := range all {
		if c.ram != [16]byte{} {
			return true
		}
	}
	return err != nil
}
