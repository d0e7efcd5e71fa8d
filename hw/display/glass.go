//go:build !minimal

package display

import (
	"image"
	"os"
	"sync"
)

// canvas is a chip that shows pictures.
type canvas interface {
	chip

	// form is the size in pixels and the colours, known once the chip has
	// started.
	form() (image.Point, look)

	// draw shows a picture of that size.
	draw(*image.RGBA) error

	// off shows nothing, and keeps nothing that could be shown again.
	off() error
}

// glass is a display of pixels. The one renderer draws for all of them.
type glass struct {
	mu       sync.Mutex // guards what follows
	hw       hardware[canvas]
	renderer *renderer
	closed   bool
}

func newGlass(name string, connect func() (canvas, error)) *glass {
	return &glass{hw: hardware[canvas]{name: name, connect: connect}}
}

// slowGlass is one of e-paper.
type slowGlass struct{ *glass }

// Slow implements Slow.
func (slowGlass) Slow() {}

// Show draws the screen.
func (g *glass) Show(s Screen) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return os.ErrClosed
	}
	return g.hw.do(func(c canvas) error {
		img, err := g.render(c, s)
		if err != nil {
			return err
		}
		return c.draw(img)
	})
}

func (g *glass) render(c canvas, s Screen) (*image.RGBA, error) {
	size, look := c.form()
	if g.renderer == nil || g.renderer.size != size {
		r, err := newRenderer(size, look)
		if err != nil {
			return nil, err
		}
		g.renderer = r
	}
	return g.renderer.render(s)
}

// Close blanks the display, switches it off and lets go of it.
func (g *glass) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil
	}
	g.closed = true
	return g.hw.end(canvas.off)
}
