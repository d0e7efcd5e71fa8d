//go:build !minimal

package display

import (
	"image"
	"image/color"
	"image/draw"
	"strings"

	"golang.org/x/image/font"
	"golang.org/x/image/math/fixed"
)

// layout is a screen's parts from top to bottom: the title above, the address
// below, PIN and text between them in the middle of the room that is left.
type layout struct {
	top, middle, bottom block
	pin                 *pinBlock
	gap                 int // pixels between parts
}

// block is lines of text in one face.
type block struct {
	lines []string
	face  *face
	color color.Color
}

func textBlock(f *face, c color.Color, lines []string) block {
	return block{lines: lines, face: f, color: c}
}

func (b block) height() int {
	if len(b.lines) == 0 {
		return 0
	}
	return len(b.lines) * b.face.lineHeight()
}

func (l *layout) height() int {
	h, parts := 0, 0
	for _, part := range []int{l.top.height(), l.pin.height(), l.middle.height(), l.bottom.height()} {
		if part > 0 {
			h += part
			parts++
		}
	}
	return h + max(0, parts-1)*l.gap
}

// cut drops lines from the end until the layout fits into the room, and marks
// the last one that stays.
func (l *layout) cut(room image.Point) {
	b := &l.middle
	n := len(b.lines)
	for len(b.lines) > 0 && l.height() > room.Y {
		b.lines = b.lines[:len(b.lines)-1]
	}
	if kept := len(b.lines); kept > 0 && kept < n {
		withMark := func(s string) int { return b.face.measure(s + "…") }
		last := fit(b.lines[kept-1], room.X, withMark)
		if i := strings.LastIndexByte(last, ' '); i > len(last)/2 {
			last = last[:i] // better no word than half of one
		}
		b.lines[kept-1] = last + "…"
	}
}

// draw paints the layout into area, its parts centred or set left.
func (l *layout) draw(dst draw.Image, area image.Rectangle, centre bool) {
	l.top.draw(dst, area, area.Min.Y, centre)
	l.bottom.draw(dst, area, area.Max.Y-l.bottom.height(), centre)

	free := area
	if h := l.top.height(); h > 0 {
		free.Min.Y += h + l.gap
	}
	if h := l.bottom.height(); h > 0 {
		free.Max.Y -= h + l.gap
	}
	body := l.pin.height() + l.middle.height()
	if l.pin != nil && l.middle.height() > 0 {
		body += l.gap
	}
	y := free.Min.Y + max(0, free.Dy()-body)/2
	if l.pin != nil {
		l.pin.draw(dst, image.Pt(startX(area, l.pin.width(), centre), y))
		y += l.pin.height() + l.gap
	}
	l.middle.draw(dst, area, y, centre)
}

func (b block) draw(dst draw.Image, area image.Rectangle, y int, centre bool) {
	for _, line := range b.lines {
		b.face.draw(dst, image.Pt(startX(area, b.face.measure(line), centre), y), b.color, line)
		y += b.face.lineHeight()
	}
}

func startX(area image.Rectangle, width int, centre bool) int {
	if !centre {
		return area.Min.X
	}
	return area.Min.X + max(0, area.Dx()-width)/2
}

// pinBlock is the PIN in large digits: either the bitmap digits, enlarged, or
// digits of an outline font in cells of one width.
type pinBlock struct {
	pin   string
	color color.Color
	left  []int // of each digit, in pixels
	w, h  int
	scale int   // bitmap digits
	face  *face // outline digits
	cell  int   // their width
}

// newPIN makes the PIN as wide as the area is, and not higher than 45 % of it.
// On the smallest displays its height counts: 20 rows of 32.
func (r *renderer) newPIN(pin string, area image.Rectangle) (*pinBlock, error) {
	p := &pinBlock{pin: pin, color: r.look.pin}
	_, full := pinCells("00000000") // a PIN that is still being typed has the size of a whole one
	if r.bitmap() {
		p.scale = max(1, min(area.Dx()/full, area.Dy()*2/3/digitH))
		left, w := pinCells(pin)
		for _, x := range left {
			p.left = append(p.left, x*p.scale)
		}
		p.w, p.h = w*p.scale, digitH*p.scale
		return p, nil
	}
	return p, r.outlinePIN(p, area)
}

func (r *renderer) outlinePIN(p *pinBlock, area image.Rectangle) error {
	// Go Bold's digits are 0.58 em wide and 0.73 em high; eight of them and the
	// gap between the groups make 4.95 em.
	em := min(float64(area.Dx())/4.95, float64(area.Dy())*0.45/0.73)
	var err error
	if p.face, err = outlineFace(r.bold, em, r.look.mono); err != nil {
		return err
	}
	p.cell = int(em * 0.58)
	for i := range p.pin {
		if i == 4 {
			p.w += int(em * 0.3)
		}
		p.left = append(p.left, p.w)
		p.w += p.cell
	}
	p.h = int(em * 0.76)
	return nil
}

func (p *pinBlock) height() int {
	if p == nil {
		return 0
	}
	return p.h
}

func (p *pinBlock) width() int { return p.w }

func (p *pinBlock) draw(dst draw.Image, at image.Point) {
	for i, x := range p.left {
		d := p.pin[i]
		if p.face == nil {
			stamp(dst, at.Add(image.Pt(x, 0)), p.color, digitMask(d), p.scale, true)
			continue
		}
		mask := image.NewAlpha(image.Rect(0, 0, p.cell, p.h+2))
		digit := font.Drawer{Dst: mask, Src: image.Opaque, Face: p.face.Face}
		inset := (fixed.I(p.cell) - digit.MeasureBytes([]byte{d})) / 2
		digit.Dot = fixed.Point26_6{X: inset, Y: fixed.I(p.h - 1)}
		digit.DrawBytes([]byte{d})
		stamp(dst, at.Add(image.Pt(x, 0)), p.color, mask, 1, p.face.mono)
	}
}

func digitMask(d byte) *image.Alpha {
	mask := image.NewAlpha(image.Rect(0, 0, digitW, digitH))
	for y := range digitH {
		for x := range digitW {
			mask.SetAlpha(x, y, color.Alpha{A: byte(bit(digitInk(d, x, y))) * 0xFF})
		}
	}
	return mask
}
