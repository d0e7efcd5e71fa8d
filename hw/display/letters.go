//go:build !minimal

package display

import "strings"

// characters is a chip that shows rows of characters of a built-in font.
type characters interface {
	chip

	// write shows rows, each as long as the display is wide.
	write(rows []string) error

	// off shows nothing, and keeps nothing that could be shown again.
	off() error
}

// newLetters is a display of characters. The PIN stands in the first row all the
// time; what does not fit below comes a page at a time.
func newLetters(name string, size letterSize, connect func() (characters, error)) Display {
	return &inTurn[characters, []string]{
		hw:    hardware[characters]{name: name, connect: connect},
		split: size.pages,
		show:  characters.write,
		off:   characters.off,
	}
}

// letterSize is the size of a display in characters.
type letterSize struct{ cols, rows int }

var letterSizes = map[string]letterSize{"16x2": {16, 2}, "20x2": {20, 2}, "16x4": {16, 4}, "20x4": {20, 4}}

// pages lays a screen out. Without a PIN there is also the title.
func (l letterSize) pages(s Screen) [][]string {
	if s.Test {
		return l.testPages(s)
	}
	head := []string(nil)
	if s.PIN != "" {
		head = []string{l.row("PIN " + s.GroupedPIN())}
		s.Title = ""
	}
	var pages [][]string
	var page []string
	room := l.rows - len(head)
	for _, text := range append(append([]string{s.Title}, s.Lines...), s.Address) {
		lines := wrap(spell(text, inROM), l.cols, func(s string) int { return len(s) })
		if len(page) > 0 && len(page)+len(lines) > room {
			pages, page = append(pages, page), nil // a text is not broken where it need not be
		}
		for _, line := range lines {
			if len(page) == room {
				pages, page = append(pages, page), nil
			}
			page = append(page, l.row(line))
		}
	}
	if len(page) > 0 || len(pages) == 0 {
		pages = append(pages, page)
	}
	for i := range pages {
		pages[i] = append(append([]string(nil), head...), pages[i]...)
		for len(pages[i]) < l.rows {
			pages[i] = append(pages[i], l.row(""))
		}
	}
	return pages
}

// row fills a line with spaces.
func (l letterSize) row(line string) string { return line + strings.Repeat(" ", l.cols-len(line)) }

// inROM reports whether a character is at its ASCII place in every font that these
// chips come with (HD44780U datasheet, table 4): the backslash and the tilde are not.
func inROM(r rune) bool { return r >= ' ' && r <= '}' && r != '\\' }
