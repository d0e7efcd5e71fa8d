//go:build !minimal

package displaytest

import (
	"fmt"
	"strings"
)

// MAX7219 is eight digits on SPI, on a board of its own, in memory (datasheet rev. 4).
type MAX7219 struct{ Board }

// Text is what a person reads, from the left; the digit of register 8 is the leftmost.
func (m *MAX7219) Text() (string, error) {
	var reg [16]byte
	for _, e := range m.Events() {
		if len(e.Data) != 2 { // table 1: 16 bits, register and data
			return "", fmt.Errorf("displaytest: a transfer of %d bytes", len(e.Data))
		}
		reg[e.Data[0]&0x0F] = e.Data[1]
	}
	if reg[0x0C]&1 == 0 { // table 3: shut down
		return strings.Repeat(" ", 8), nil
	}
	if reg[0x0F]&1 == 1 || reg[0x0B] != 7 || reg[0x09] != 0xFF {
		return "", fmt.Errorf("displaytest: test %d, scan limit %d, decode mode %#x", reg[0x0F], reg[0x0B], reg[0x09])
	}
	var b strings.Builder
	for d := 8; d >= 1; d-- {
		b.WriteByte("0123456789-EHLP "[reg[d]&0x0F]) // table 5: code B font
		if reg[d]&0x80 != 0 {
			b.WriteByte('.')
		}
	}
	return b.String(), nil
}

// Holds reports whether a digit is kept that another program could make visible.
func (m *MAX7219) Holds() bool {
	var reg [16]byte
	for _, e := range m.Events() {
		reg[e.Data[0]&0x0F] = e.Data[1]
	}
	for d := 1; d <= 8; d++ {
		if reg[d]&0x0F != 0x0F {
			return true
		}
	}
	return false
}
