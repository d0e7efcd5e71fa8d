//go:build !minimal

package display

import (
	"errors"
	"fmt"
	"io"
)

// chip is the electronics of a display while its bus and pins are held.
type chip interface {
	// start sets the chip up, whatever it was told before and whether or not it
	// had lost its power.
	start() error

	// Close lets go of bus and pins. What the display shows stays.
	io.Closer
}

// hardware is a chip that is connected at its first use, and again after an
// error. That also brings back a display that lost its power: it is set up anew
// and given everything. (periph's drivers remember what the display holds; after
// a failed transfer they are wrong, so partial updates must not go on.)
type hardware[C chip] struct {
	name    string // as in "ssd1306 at address 0x3c on /dev/i2c-1"
	connect func() (C, error)

	chip      C
	connected bool
}

// do lets f use the chip. If f fails the chip is let go.
func (h *hardware[C]) do(f func(C) error) error {
	if !h.connected {
		c, err := h.connect()
		if err != nil {
			return fmt.Errorf("display: opening the %s: %w", h.name, err)
		}
		h.chip, h.connected = c, true
		if err := c.start(); err != nil {
			return h.lost(err)
		}
	}
	if err := f(h.chip); err != nil {
		return h.lost(err)
	}
	return nil
}

func (h *hardware[C]) lost(err error) error {
	err = errors.Join(err, h.release())
	return fmt.Errorf("display: no answer from the %s (check the wiring, and that nothing else drives it): %w", h.name, err)
}

// end lets f switch the display off, and lets go of it.
func (h *hardware[C]) end(f func(C) error) error {
	if err := h.do(f); err != nil {
		return err
	}
	if err := h.release(); err != nil {
		return fmt.Errorf("display: switching off the %s: %w", h.name, err)
	}
	return nil
}

func (h *hardware[C]) release() error {
	c := h.chip
	h.connected = false
	h.chip = *new(C)
	return c.Close()
}
