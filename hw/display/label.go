//go:build !minimal

package display

import (
	"errors"
	"fmt"
	"image"
	"log/slog"
)

// Label is what is stuck on a device that has no display, and a PIN for good: a sticker of 50 × 25 mm. It is a picture for
// a label printer ([Label.PNG]) or a page with the same on it ([Label.PDF]). Both hold the PIN.
type Label struct {
	Name    string // of the device, for people
	Address string // where it is reached
	PIN     string // 8 digits
	URI     string // in the QR code
}

// Format implements fmt.Formatter, so that no verb prints the PIN, nor the URI, which holds it.
func (l Label) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "label{%q %q}", l.Name, l.Address) }

// LogValue implements slog.LogValuer for the same reason.
func (l Label) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(l)) }

// A label is laid out in the dots of a printer, from its upper left corner.
const (
	dotsPerInch = 300
	labelW      = 591 // 50 mm
	labelH      = 295 // 25 mm
	labelMargin = 20

	leastModule = 4 // dots, a third of a millimetre: less is nothing for a camera
)

// labelHint says what to do.
const labelHint = "Press the button on the device. Then scan the code, or type the PIN."

// typeface is a size in dots per em, and a weight.
type typeface struct {
	size int
	bold bool
}

// The text of a label: its usual sizes, and the least that the eye can read.
var (
	nameFace  = typeface{36, true}
	pinFace   = typeface{72, true}
	smallFace = typeface{24, false}
)

const leastSize = 15 // 3.6 points

// pen draws a label on something.
type pen interface {
	// has reports whether there is a sign for r.
	has(r rune) bool
	// measure is the width of text in dots.
	measure(s string, f typeface) int
	// write writes text that begins at a point of its baseline.
	write(at image.Point, s string, f typeface)
	// fill fills rectangles, none of which overlaps another, with black.
	fill(rs []image.Rectangle)
}

// errLabelCode: a label has room for addresses of some 130 letters.
var errLabelCode = errors.New("display: the address is too long for the QR code of a label")

// draw lays the label out: text on the left, the code on the right.
func (l Label) draw(p pen) error {
	c := newCode(l.URI, labelH, leastModule)
	if c == nil {
		return errLabelCode
	}
	p.fill(c.modules(image.Pt(labelW-c.side(), (labelH-c.side())/2)))
	l.text(p, image.Rect(labelMargin, labelMargin, labelW-c.side(), labelH-labelMargin))
	return nil
}

// text writes name and PIN at the top, what to do beneath, and the address at the bottom. Where there is much to say it gets smaller; an
// address that still has no room ends in dots.
func (l Label) text(p pen, area image.Rectangle) {
	name, pin := spell(clean(l.Name), p.has), l.PIN[:4]+" "+l.PIN[4:]
	y := area.Min.Y
	line := func(s string, f typeface) {
		y += f.size
		p.write(image.Pt(area.Min.X, y-f.size/5), s, f) // a fifth of an em hangs below the baseline
	}
	f := fitted(p, name, nameFace, area.Dx())
	line(fitText(p, name, f, area.Dx()), f)
	y += labelMargin / 2
	line(pin, fitted(p, pin, pinFace, area.Dx()))
	hint, address, f := l.small(p, area.Dx(), area.Max.Y-y-labelMargin)
	y += (area.Max.Y - y - (len(hint)+len(address))*lineOf(f)) / 2 // the room that is left, above and below the hint
	for _, s := range hint {
		p.write(image.Pt(area.Min.X, y+f.size), s, f)
		y += lineOf(f)
	}
	y = area.Max.Y - len(address)*lineOf(f)
	for _, s := range address {
		p.write(image.Pt(area.Min.X, y+f.size), s, f)
		y += lineOf(f)
	}
}

// small breaks hint and address into lines, in the largest face in which they fit.
func (l Label) small(p pen, width, height int) (hint, address []string, f typeface) {
	text := spell(clean(l.Address), p.has)
	for f = smallFace; ; f.size-- {
		measure := func(s string) int { return p.measure(s, f) }
		hint, address = wrap(labelHint, width, measure), wrap(text, width, measure)
		room := max(1, height/lineOf(f)-len(hint))
		switch {
		case len(address) <= room:
			return hint, address, f
		case f.size <= leastSize:
			last := &address[room-1]
			*last = fitText(p, *last+address[room], f, width)
			return hint, address[:room], f
		}
	}
}

// lineOf is the height of a line.
func lineOf(f typeface) int { return f.size * 6 / 5 }

// fitted makes a face so small that text fits into a width, if the eye can read that.
func fitted(p pen, text string, f typeface, width int) typeface {
	for f.size > smallFace.size && p.measure(text, f) > width {
		f.size--
	}
	return f
}

// fitText cuts text to a width, and says so by dots.
func fitText(p pen, text string, f typeface, width int) string {
	if p.measure(text, f) <= width {
		return text
	}
	return fit(text, width, func(s string) int { return p.measure(s+"...", f) }) + "..."
}

// modules are the dark ones of the code, those side by side as one, if its margin begins at a point.
func (c *code) modules(at image.Point) []image.Rectangle {
	var out []image.Rectangle
	for y := range c.Size {
		for x := 0; x < c.Size; x++ {
			from := x
			for x < c.Size && c.Black(x, y) {
				x++
			}
			if x > from {
				r := image.Rect(from+quiet, y+quiet, x+quiet, y+quiet+1)
				out = append(out, image.Rectangle{Min: r.Min.Mul(c.module).Add(at), Max: r.Max.Mul(c.module).Add(at)})
			}
		}
	}
	return out
}
