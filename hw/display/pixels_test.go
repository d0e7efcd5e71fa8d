//go:build !minimal

package display

import (
	"image"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSpell(t *testing.T) {
	f := bitmapFace(1)
	for in, want := range map[string]string{
		"Küche":        "Kuche",
		"Straße – „x“": `Strasse - "x"`,
		"a…":           "a...",
		"家":            "?",
		"e\u0301":      "e",
	} {
		if got := f.spell(in); got != want {
			t.Errorf("spell(%q) = %q, want %q", in, got, want)
		}
	}
}

// Whatever a peer is called, a screen is drawn on every size, and the text lies
// within the box.
func FuzzShow(f *testing.F) {
	f.Add("Living-room box", "12345678", "Type this PIN.", "box@home.example")
	f.Add("\x1b[2J\u202e", "12", strings.Repeat("w", 500), "家\u0301")
	var small []*renderer
	for _, size := range []image.Point{{128, 32}, {128, 64}, {64, 32}, {212, 104}, {250, 122}} {
		r, err := newRenderer(size, ink)
		if err != nil {
			f.Fatal(err)
		}
		small = append(small, r)
	}
	f.Fuzz(func(t *testing.T, title, pin, line, address string) {
		s := Screen{Title: title, PIN: pin, Lines: []string{line, title}, Address: address, URI: address}
		for l := range strings.Lines(box(s.cleaned())) {
			if got := cells(strings.TrimSuffix(l, "\n")); !utf8.ValidString(l) || got != termWidth+4 {
				t.Errorf("a line of %d columns: %q", got, l)
			}
		}
		for _, r := range small {
			if _, err := r.render(s); err != nil {
				t.Error(err)
			}
		}
		checkParts(t, s.cleaned())
	})
}

// checkParts: every part fits its display, and says nothing that the chip would take for something else.
func checkParts(t *testing.T, s Screen) {
	for _, size := range letterSizes {
		for _, page := range size.pages(s) {
			if len(page) != size.rows {
				t.Errorf("a page of %d rows on %v", len(page), size)
			}
			for _, row := range page {
				if len(row) != size.cols || strings.ContainsFunc(row, func(r rune) bool { return !inROM(r) }) {
					t.Errorf("the row %q on %v", row, size)
				}
			}
		}
	}
	for _, width := range []int{4, 6, 8} {
		for _, part := range digitParts(s.PIN, width) {
			if n := len(splitCells(part)); n != width {
				t.Errorf("%d digits of %s on %d", n, part, width)
			}
		}
	}
}
