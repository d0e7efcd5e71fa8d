//go:build !minimal

package display

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"strings"
)

// testPicture shows what a display can: a frame on its outermost pixels, the screen's lines, the size, and below them every
// colour and shade, or, where there are but two colours, patterns as fine as the pixels are.
func (r *renderer) testPicture(s Screen) (*image.RGBA, error) {
	img := image.NewRGBA(image.Rectangle{Max: r.size})
	frame := max(1, min(r.size.X, r.size.Y)/200)
	fill(img, img.Rect, r.look.text)
	fill(img, img.Rect.Inset(frame), r.look.back)

	inner := img.Rect.Inset(2 * frame)
	bars := inner
	bars.Min.Y = inner.Max.Y - r.size.Y/4
	r.bars(img, bars)

	area := inner
	area.Max.Y = bars.Min.Y - frame
	area = area.Inset(r.margin())
	l, err := r.layOut(Screen{Lines: s.Lines, Address: fmt.Sprintf("%dx%d", r.size.X, r.size.Y)}, area)
	if err != nil {
		return nil, err
	}
	l.draw(img, area, true)
	return img, nil
}

func fill(img *image.RGBA, area image.Rectangle, c color.Color) {
	draw.Draw(img, area, image.NewUniform(c), image.Point{}, draw.Src)
}

// bars are two rows of colours and shades, or one of patterns.
func (r *renderer) bars(img *image.RGBA, area image.Rectangle) {
	if r.look.mono {
		bar(area, len(patterns), func(i int, part image.Rectangle) { r.pattern(img, part, patterns[i]) })
		return
	}
	upper, lower := area, area
	upper.Max.Y = area.Min.Y + area.Dy()/2
	lower.Min.Y = upper.Max.Y
	const shades = 16
	bar(upper, 8, func(i int, part image.Rectangle) {
		i = 7 - i // white first, as on every test card: by falling brightness
		on := func(bit int) uint8 { return 0xFF * uint8(i>>bit&1) }
		fill(img, part, color.RGBA{on(1), on(2), on(0), 0xFF})
	})
	bar(lower, shades, func(i int, part image.Rectangle) { fill(img, part, color.Gray{uint8(0xFF * i / (shades - 1))}) })
}

// bar divides an area into n parts from the left to the right.
func bar(area image.Rectangle, n int, paint func(i int, part image.Rectangle)) {
	for i := range n {
		part := area
		part.Min.X = area.Min.X + area.Dx()*i/n
		part.Max.X = area.Min.X + area.Dx()*(i+1)/n
		paint(i, part)
	}
}

// patterns say which pixels are set. The one that sets all has the colour of the PIN, which is another on paper with red.
var patterns = []func(x, y int) bool{
	func(int, int) bool { return true },
	func(x, y int) bool { return x%2 == 0 },
	func(x, y int) bool { return y%2 == 0 },
	func(x, y int) bool { return (x+y)%2 == 0 },
	func(x, y int) bool { return (x/2+y/2)%2 == 0 },
}

func (r *renderer) pattern(img *image.RGBA, area image.Rectangle, set func(x, y int) bool) {
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			if set(x, y) {
				img.Set(x, y, r.look.pin)
			}
		}
	}
}

// testDigits lights every segment, and then counts down from the left, so that digits in a wrong order are seen.
func testDigits(width int) []string {
	return []string{strings.Repeat("8.", width), "87654321"[maxPIN-width:]}
}

// testPages fills every cell, and then says what the screen's lines say.
func (l letterSize) testPages(s Screen) [][]string {
	full := strings.Repeat("#", l.cols)
	var page []string
	for range l.rows {
		page = append(page, full)
	}
	return append([][]string{page}, l.pages(Screen{Lines: s.Lines})...)
}
