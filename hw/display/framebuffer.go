//go:build !minimal

package display

import (
	"errors"
	"fmt"
	"image"

	"xtls-agent/hw/internal/spec"
)

// screen is a television or monitor that the kernel drives.
type screen struct {
	fb   Framebuffer
	mode FramebufferMode
	zoom int // pixels of the screen, in each direction, for one that is drawn
}

// drawnWidth is the width from which on pixels are drawn larger than they are. A
// television is seen from across the room, where finer ones are lost, and a small
// board takes long to draw them.
const drawnWidth = 960

func parseFramebuffer(s *spec.Spec) func(Env) (Display, error) {
	path := s.NeedPath("fb:/dev/fb0")
	return func(env Env) (Display, error) {
		open := env.OpenFramebuffer
		if open == nil {
			open = openKernelFramebuffer
		}
		return newGlass("framebuffer "+path, func() (canvas, error) {
			fb, err := open(path)
			return &screen{fb: fb}, err
		}), nil
	}
}

func (c *screen) start() error {
	m, err := c.fb.Mode()
	if err != nil {
		return err
	}
	if err := m.check(len(c.fb.Memory())); err != nil {
		return err
	}
	c.mode, c.zoom = m, max(1, m.Size.X/drawnWidth)
	return c.fb.Take()
}

// check holds a mode against what is drawn here, and against the memory there is.
func (m FramebufferMode) check(memory int) error {
	if m.Bits != 16 && m.Bits != 32 {
		return fmt.Errorf("the screen has %d bits a pixel, not 16 or 32", m.Bits)
	}
	for _, c := range []Channel{m.Red, m.Green, m.Blue} {
		if c.Bits < 1 || c.Bits > 8 || c.Shift < 0 || c.Shift+c.Bits > m.Bits {
			return fmt.Errorf("the screen has colours of %d bits at bit %d", c.Bits, c.Shift)
		}
	}
	const most = 1 << 14
	if m.Size.X < 64 || m.Size.Y < 32 || m.Size.X > most || m.Size.Y > most {
		return fmt.Errorf("the screen has %d×%d pixels", m.Size.X, m.Size.Y)
	}
	row := m.Size.X * m.Bits / 8
	if m.Stride < row || m.Stride > 1<<20 || m.Offset < 0 || m.Offset > memory || m.Offset+(m.Size.Y-1)*m.Stride+row > memory {
		return errors.New("the screen's memory is smaller than the screen")
	}
	return nil
}

func (c *screen) form() (image.Point, look) { return c.mode.Size.Div(c.zoom), night }

// draw takes the screen each time: another program may have let the console back.
func (c *screen) draw(img *image.RGBA) error {
	m, err := c.fb.Mode()
	if err != nil {
		return err
	}
	if m != c.mode {
		return errors.New("the screen is set to another mode")
	}
	if err := c.fb.Take(); err != nil {
		return err
	}
	row := make([]byte, c.mode.Size.X*c.mode.Bits/8)
	for y := range c.mode.Size.Y {
		if y%c.zoom == 0 {
			c.pixels(row, img, y/c.zoom)
		}
		copy(c.row(y), row)
	}
	return nil
}

// row is a row of the screen. Pixels beyond those that are drawn, fewer than zoom, stay dark.
func (c *screen) row(y int) []byte {
	start := c.mode.Offset + y*c.mode.Stride
	return c.fb.Memory()[start : start+c.mode.Size.X*c.mode.Bits/8]
}

// pixels makes a row of the screen from one of the picture.
func (c *screen) pixels(row []byte, img *image.RGBA, y int) {
	size := c.mode.Bits / 8
	clear(row)
	if y >= img.Rect.Dy() {
		return
	}
	for x := range min(c.mode.Size.X, img.Rect.Dx()*c.zoom) {
		p := img.Pix[img.PixOffset(x/c.zoom, y):]
		v := c.mode.Red.put(p[0]) | c.mode.Green.put(p[1]) | c.mode.Blue.put(p[2])
		for i := range size {
			row[x*size+i] = byte(v >> (8 * i))
		}
	}
}

// put places the upper bits of a colour.
func (c Channel) put(v uint8) uint32 { return uint32(v) >> (8 - c.Bits) << c.Shift }

func (c *screen) off() error {
	for y := range c.mode.Size.Y {
		clear(c.row(y))
	}
	return nil
}

// Close gives the console back.
func (c *screen) Close() error { return c.fb.Close() }
