//go:build !minimal

package display

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
)

// face draws text in one typeface and size.
type face struct {
	font.Face
	has    func(rune) bool
	scale  int  // each pixel of the face becomes scale×scale
	ascent int  // pixels of the face from the top of a line to its baseline
	line   int  // pixels of the face from line to line
	mono   bool // no shades: a pixel is set or it is not (always so if scale > 1)
}

// bitmapFace is the 7×13 face of the X Window System, enlarged. The upper of its
// two empty rows is left out: on 32 pixels that makes room for a line.
func bitmapFace(scale int) *face {
	return &face{
		Face:   basicfont.Face7x13,
		has:    func(r rune) bool { return r >= ' ' && r <= '~' },
		scale:  scale,
		ascent: basicfont.Face7x13.Ascent - 1,
		line:   basicfont.Face7x13.Height - 1,
		mono:   true,
	}
}

// outlineFace is an outline font at a size in pixels per em.
func outlineFace(f *sfnt.Font, size float64, mono bool) (*face, error) {
	of, err := opentype.NewFace(f, &opentype.FaceOptions{Size: size, DPI: 72, Hinting: font.HintingFull})
	if err != nil {
		return nil, fmt.Errorf("display: making a font face: %w", err)
	}
	var buf sfnt.Buffer
	has := func(r rune) bool {
		i, err := f.GlyphIndex(&buf, r)
		return err == nil && i != 0
	}
	m := of.Metrics()
	return &face{Face: of, has: has, scale: 1, ascent: m.Ascent.Round(), line: (m.Ascent + m.Descent).Round(), mono: mono}, nil
}

func (f *face) lineHeight() int { return f.line * f.scale }

func (f *face) measure(s string) int {
	return font.MeasureString(f.Face, f.spell(s)).Ceil() * f.scale
}

// draw paints s with its upper left corner at p.
func (f *face) draw(dst draw.Image, p image.Point, c color.Color, s string) {
	s = f.spell(s)
	w := font.MeasureString(f.Face, s).Ceil()
	mask := image.NewAlpha(image.Rect(0, 0, w, f.line+f.Metrics().Descent.Ceil()))
	d := font.Drawer{Dst: mask, Src: image.Opaque, Face: f.Face, Dot: fixed.P(0, f.ascent)}
	d.DrawString(s)
	stamp(dst, p, c, mask, f.scale, f.mono)
}

// stamp paints the mask in one colour, enlarged; with mono, in full strength or
// not at all.
func stamp(dst draw.Image, p image.Point, c color.Color, mask *image.Alpha, scale int, mono bool) {
	if !mono && scale == 1 {
		r := image.Rectangle{Min: p, Max: p.Add(mask.Bounds().Size())}
		draw.DrawMask(dst, r, image.NewUniform(c), image.Point{}, mask, image.Point{}, draw.Over)
		return
	}
	b := mask.Bounds().Size().Mul(scale)
	for y := range b.Y {
		for x := range b.X {
			if mask.AlphaAt(x/scale, y/scale).A >= 0x80 {
				dst.Set(p.X+x, p.Y+y, c)
			}
		}
	}
}

// spell replaces what the face cannot draw.
func (f *face) spell(s string) string { return spell(s, f.has) }
