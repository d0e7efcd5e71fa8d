//go:build !minimal

package display

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"

	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/gomedium"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/font/sfnt"
)

// look is the colours of a display.
type look struct {
	back, text, muted, pin color.Color
	mono                   bool // two colours, no shades
}

var (
	// lit is a display whose set pixels shine: an OLED.
	lit = look{back: color.Black, text: color.White, muted: color.White, pin: color.White, mono: true}

	// ink is a display whose set pixels are dark: liquid crystals, paper.
	ink = look{back: color.White, text: color.Black, muted: color.Black, pin: color.Black, mono: true}

	// night is for colours, easy on the eyes on a television in the dark.
	night = look{
		back:  color.RGBA{0x0E, 0x17, 0x26, 0xFF},
		text:  color.RGBA{0xF1, 0xF5, 0xF9, 0xFF},
		muted: color.RGBA{0x93, 0xA4, 0xBC, 0xFF},
		pin:   color.RGBA{0xFF, 0xD1, 0x66, 0xFF},
	}
)

// smallMono is the height in pixels up to which a display without shades gets
// the bitmap faces; outlines need more pixels, or shades, to be legible.
const smallMono = 200

// renderer draws screens for a display of one size and look. Not for concurrent use.
type renderer struct {
	size                  image.Point
	look                  look
	regular, medium, bold *sfnt.Font
}

func newRenderer(size image.Point, l look) (*renderer, error) {
	r := &renderer{size: size, look: l}
	if r.bitmap() {
		return r, nil
	}
	for _, f := range []struct {
		to  **sfnt.Font
		ttf []byte
	}{{&r.regular, goregular.TTF}, {&r.medium, gomedium.TTF}, {&r.bold, gobold.TTF}} {
		parsed, err := opentype.Parse(f.ttf)
		if err != nil {
			return nil, fmt.Errorf("display: reading the built-in font: %w", err)
		}
		*f.to = parsed
	}
	return r, nil
}

// render draws a screen.
func (r *renderer) render(s Screen) (*image.RGBA, error) {
	s = s.cleaned()
	if s.Test {
		return r.testPicture(s)
	}
	img := image.NewRGBA(image.Rectangle{Max: r.size})
	draw.Draw(img, img.Bounds(), image.NewUniform(r.look.back), image.Point{}, draw.Src)

	area := img.Bounds().Inset(r.margin())
	qr := r.qrCode(s, area)
	if qr != nil {
		at := image.Pt(area.Max.X-qr.side(), area.Min.Y+(area.Dy()-qr.side())/2)
		qr.draw(img, at)
		area.Max.X = at.X - r.margin() - r.size.X/64
	}
	l, err := r.layOut(s, area)
	if err != nil {
		return nil, err
	}
	l.draw(img, area, qr == nil)
	return img, nil
}

func (r *renderer) bitmap() bool { return r.look.mono && r.size.Y <= smallMono }

// margin is 0 on a small OLED: its glass has a border of its own.
func (r *renderer) margin() int { return min(r.size.X, r.size.Y) / 20 * bit(r.size.Y > 64) }

// qrCode returns the QR code of the screen, if there is room for one beside the text.
func (r *renderer) qrCode(s Screen, area image.Rectangle) *code {
	if s.URI == "" || r.size.Y <= 64 {
		return nil
	}
	return newCode(s.URI, min(area.Dy(), area.Dx()*2/5), 2)
}

// A step is a try at fitting a screen: how far text is shrunk, and what is left out.
type step struct {
	size        float64 // of the text, 1 being what the display would like
	dropTitle   bool
	dropAddress bool
	cut         bool // lines that do not fit are cut off; always fits
}

// steps are the tries in their order. The PIN is never left out, nor shrunk.
func (r *renderer) steps() []step {
	sizes := []float64{1, 0.85, 0.7, 0.55}
	var steps []step
	for _, drop := range []step{{}, {dropTitle: true}, {dropTitle: true, dropAddress: true}} {
		for _, size := range sizes {
			drop.size = size
			steps = append(steps, drop)
		}
	}
	return append(steps, step{size: sizes[len(sizes)-1], dropTitle: true, dropAddress: true, cut: true})
}

// layOut takes the first step whose layout fits.
func (r *renderer) layOut(s Screen, area image.Rectangle) (*layout, error) {
	for _, st := range r.steps() {
		l, err := r.try(s, area, st)
		if err != nil {
			return nil, err
		}
		if l.height() <= area.Dy() {
			return l, nil
		}
		if st.cut {
			l.cut(area.Size())
			return l, nil
		}
	}
	panic("display: the last step fits always")
}

// try lays a screen out with one step, whether it fits or not.
func (r *renderer) try(s Screen, area image.Rectangle, st step) (*layout, error) {
	fonts, err := r.faces(st.size, s.PIN == "")
	if err != nil {
		return nil, err
	}
	l := &layout{gap: r.gap()}
	wrapped := func(f *face, text string) []string { return wrap(text, area.Dx(), f.measure) }
	if !st.dropTitle {
		l.top = textBlock(fonts.title, r.look.muted, wrapped(fonts.title, s.Title))
	}
	if s.PIN != "" {
		if l.pin, err = r.newPIN(s.PIN, area); err != nil {
			return nil, err
		}
	}
	for _, line := range s.Lines {
		b := textBlock(fonts.text, r.look.text, wrapped(fonts.text, line))
		l.middle.lines = append(l.middle.lines, b.lines...)
		l.middle.face, l.middle.color = b.face, b.color
	}
	if !st.dropAddress {
		l.bottom = textBlock(fonts.address, r.look.muted, wrapped(fonts.address, s.Address))
	}
	return l, nil
}

// gap is the room between parts. A display of 32 rows has none to give: there the
// empty row above bitmap letters must do.
func (r *renderer) gap() int {
	switch {
	case !r.bitmap():
		return r.size.Y / 20
	case r.size.Y <= 32:
		return 0
	}
	return r.size.Y / 32
}

type faces struct{ title, text, address *face }

// faces returns the faces for a size. A screen without a PIN has larger text.
func (r *renderer) faces(size float64, large bool) (faces, error) {
	if r.bitmap() {
		scale := max(1, int(float64(max(1, r.size.Y/90))*size))
		f := bitmapFace(scale)
		return faces{f, f, f}, nil
	}
	base := float64(min(r.size.Y, r.size.X*2/3)) * size
	text := base / 14
	if large {
		text = base / 11
	}
	var fs faces
	for _, f := range []struct {
		to   **face
		font *sfnt.Font
		size float64
	}{{&fs.title, r.medium, base / 15}, {&fs.text, r.regular, text}, {&fs.address, r.regular, base / 19}} {
		of, err := outlineFace(f.font, f.size, r.look.mono)
		if err != nil {
			return faces{}, err
		}
		*f.to = of
	}
	return fs, nil
}
