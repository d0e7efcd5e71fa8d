//go:build !minimal

package display

import (
	"image"
	"image/color"
	"image/draw"

	"rsc.io/qr"
)

// quiet is the margin of light modules around a QR code (ISO/IEC 18004 §5.3.8).
const quiet = 4

// code is a QR code with its margin and the pixels that a module gets.
type code struct {
	*qr.Code
	module int
}

// newCode returns the QR code of text with the largest modules that fit into
// side pixels, or nil if they would be smaller than least: a camera would not
// read them. The better of two error corrections is taken if it costs no pixel.
func newCode(text string, side, least int) *code {
	var best *code
	for _, level := range []qr.Level{qr.L, qr.M} {
		c, err := qr.Encode(text, level)
		if err != nil {
			continue // longer than a QR code holds
		}
		module := side / (c.Size + 2*quiet)
		if module >= least && (best == nil || module >= best.module) {
			best = &code{c, module}
		}
	}
	return best
}

// side is the code's width and height in pixels, margin included.
func (c *code) side() int { return (c.Size + 2*quiet) * c.module }

// draw paints the code dark on light, as the standard has it, whatever the
// colours of the display.
func (c *code) draw(dst draw.Image, at image.Point) {
	r := image.Rectangle{Min: at, Max: at.Add(image.Pt(c.side(), c.side()))}
	draw.Draw(dst, r, image.NewUniform(color.White), image.Point{}, draw.Src)
	for y := range c.Size {
		for x := range c.Size {
			if c.Black(x, y) {
				p := at.Add(image.Pt(x+quiet, y+quiet).Mul(c.module))
				m := image.Rectangle{Min: p, Max: p.Add(image.Pt(c.module, c.module))}
				draw.Draw(dst, m, image.NewUniform(color.Black), image.Point{}, draw.Src)
			}
		}
	}
}
