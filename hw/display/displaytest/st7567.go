//go:build !minimal

package displaytest

import (
	"fmt"
	"image"
	"image/color"

	"periph.io/x/conn/v3/gpio"
)

// ST7567 is a display of 128×64 pixels on SPI, on a board of its own, in memory
// (datasheet v1.4b, §8). The line DC tells commands from data.
type ST7567 struct{ Board }

// st7567 is the chip as far as a picture depends on it.
type st7567 struct {
	ram       [8][132]byte
	page, col int
	on        bool
	power     byte // booster, regulator, follower: all three, or the glass stays light
	down      bool // COM lines from the last one on (C8), as modules need
	contrast  bool // the next byte is the contrast
}

func (s *ST7567) play() (*st7567, error) {
	c := &st7567{}
	var dc gpio.Level
	for _, e := range s.Events() {
		var err error
		switch {
		case e.Line == "DC":
			dc = e.Level
		case e.Line != "": // reset: the driver sets everything up after it
		case dc == gpio.High:
			err = c.data(e.Data)
		default:
			err = c.commands(e.Data)
		}
		if err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *st7567) data(w []byte) error {
	for _, b := range w {
		if c.col >= len(c.ram[0]) {
			return fmt.Errorf("displaytest: data beyond column %d", c.col)
		}
		c.ram[c.page][c.col] = b
		c.col++
	}
	return nil
}

func (c *st7567) commands(w []byte) error {
	for _, b := range w {
		if c.contrast {
			c.contrast = false
			if b > 0x3F {
				return fmt.Errorf("displaytest: contrast %#x", b)
			}
			continue
		}
		if err := c.command(b); err != nil {
			return err
		}
	}
	return nil
}

func (c *st7567) command(b byte) error {
	switch {
	case b <= 0x0F:
		c.col = c.col&0xF0 | int(b)
	case b <= 0x1F:
		c.col = c.col&0x0F | int(b&0x0F)<<4
	case b >= 0x28 && b <= 0x2F:
		c.power = b & 0x07
	case b >= 0xB0 && b <= 0xB7:
		c.page = int(b & 0x07)
	case b == 0xAE || b == 0xAF:
		c.on = b == 0xAF
	case b == 0xC0 || b == 0xC8:
		c.down = b == 0xC8
	case b == 0x81:
		c.contrast = true
	case b == 0xA5 && c.on, b == 0xA1, b == 0xA7, b > 0x40 && b <= 0x7F:
		return fmt.Errorf("displaytest: command %#x shifts, turns or hides the picture", b)
	case b >= 0x20 && b <= 0x27, b == 0x40, b == 0xA0, b == 0xA2, b == 0xA3, b == 0xA4, b == 0xA5, b == 0xA6, b == 0xE0, b == 0xEE:
		// voltages, and what is as it should be: no pixel depends on it
	default:
		return fmt.Errorf("displaytest: unknown command %#x", b)
	}
	return nil
}

// Picture is what the glass shows: ink on a light ground.
func (s *ST7567) Picture() (*image.Gray, error) {
	c, err := s.play()
	if err != nil {
		return nil, err
	}
	img := image.NewGray(image.Rect(0, 0, 128, 64))
	for y := range 64 {
		for x := range 128 {
			row := flip(y, 64, !c.down)
			inked := c.on && c.power == 7 && c.ram[row/8][x]>>(row%8)&1 == 1
			img.SetGray(x, y, color.Gray{Y: 0xFF * byte(1-bit(inked))})
		}
	}
	return img, nil
}

// Holds reports whether the memory holds a picture.
func (s *ST7567) Holds() bool {
	c, err := s.play()
	return err != nil || c.ram != [8][132]byte{}
}

func bit(set bool) int {
	if set {
		return 1
	}
	return 0
}
