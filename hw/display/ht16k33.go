//go:build !minimal

package display

import (
	"fmt"

	"periph.io/x/conn/v3/i2c"
	"periph.io/x/devices/v3/ht16k33"

	"xtls-agent/hw/internal/spec"
)

// ht16k33Chip is one or two boards of four digits with an HT16K33 each, on I²C. The
// second has the next address, and stands to the right of the first.
type ht16k33Chip struct {
	wires
	spec   ht16k33Spec
	bus    i2c.Bus
	boards []*ht16k33.Dev // nil before start
	alpha  []*ht16k33.Display
}

type ht16k33Spec struct {
	path         string
	addr, boards int
	seven        bool // seven segments, else fourteen
}

func parseHT16K33(s *spec.Spec) func(Env) (Display, error) {
	h := ht16k33Spec{path: s.NeedPath("ht16k33:/dev/i2c-1")}
	h.boards = s.Int("boards", 1, 1, 2)
	h.addr = s.Int("addr", int(ht16k33.I2CAddr), 0x70, 0x77-(h.boards-1))
	h.seven = s.Choice("segments", "14", "7") == "7"
	name := fmt.Sprintf("ht16k33 at address %#x on %s", h.addr, h.path)
	return func(env Env) (Display, error) {
		return newDigits(name, 4*h.boards, func() (segments, error) {
			c := &ht16k33Chip{wires: wires{env: env}, spec: h}
			c.bus = c.i2c(h.path)
			return c, c.connected()
		}), nil
	}
}

func (h *ht16k33Chip) start() error {
	for i := range h.spec.boards {
		addr := uint16(h.spec.addr + i)
		dev, err := ht16k33.NewI2C(h.bus, addr)
		if err != nil {
			return err
		}
		alpha, err := ht16k33.NewAlphaNumericDisplay(h.bus, addr)
		if err != nil {
			return err
		}
		h.boards, h.alpha = append(h.boards, dev), append(h.alpha, alpha)
	}
	return nil
}

func (h *ht16k33Chip) show(text string) error {
	for i, c := range splitCells(text) {
		if err := h.light(i/4, i%4, c); err != nil {
			return err
		}
	}
	return nil
}

func (h *ht16k33Chip) light(board, digit int, c cell) error {
	if !h.spec.seven {
		return h.alpha[board].SetDigit(digit, rune(c.char), c.point)
	}
	// Boards with seven segments have a colon where the third digit would be.
	return h.boards[board].WriteColumn(digit+digit/2, uint16(segment7(c)))
}

// columns is the chip's memory; periph's Halt clears half of it.
const columns = 8

func (h *ht16k33Chip) off() error {
	for i, b := range h.boards {
		for col := range columns {
			if err := b.WriteColumn(col, 0); err != nil {
				return err
			}
		}
		const displayOff = 0x80 // datasheet, display setup
		if err := h.bus.Tx(uint16(h.spec.addr+i), []byte{displayOff}, nil); err != nil {
			return err
		}
	}
	return nil
}
