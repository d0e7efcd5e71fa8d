//go:build !minimal

package display

import "strings"

// segments is a chip that shows digits and nothing else.
type segments interface {
	chip

	// show lights text: digits, '-', ' ', each perhaps with a point after it.
	show(text string) error

	// off shows nothing, and keeps nothing that could be shown again.
	off() error
}

// newDigits is a display that knows only digits. It shows the PIN, and without one
// nothing: there is no word that it could say.
func newDigits(name string, width int, connect func() (segments, error)) Display {
	return &inTurn[segments, string]{
		hw: hardware[segments]{name: name, connect: connect},
		split: func(s Screen) []string {
			if s.Test {
				return testDigits(width)
			}
			return digitParts(s.PIN, width)
		},
		show: segments.show,
		off:  segments.off,
	}
}

// digitParts returns what a display of 4, 6 or 8 digits shows of a PIN, in turn.
//
// With room for 8 digits that is all of it, with a point between the halves. With
// fewer the halves come in turn, and a person can tell which is which: the second
// has a point after each of its digits. Dashes stand for the half that is not seen,
// beside it, or before the first if there is no room. Of a PIN that is still being
// typed there is only the half that is at work.
func digitParts(pin string, width int) []string {
	first, second := pin[:min(4, len(pin))], pin[min(4, len(pin)):]
	switch {
	case pin == "":
		return []string{pad("", width)}
	case width >= maxPIN && second == "":
		return []string{pad(first, width)}
	case width >= maxPIN:
		return []string{pad(first+"."+second, width)}
	}
	dashes := strings.Repeat("-", width-4)
	parts := []string{pad(first, 4) + dashes, dashes + pad(pointed(second), 4)}
	switch {
	case second == "":
		return parts[:1]
	case len(pin) < maxPIN:
		return parts[1:]
	case dashes == "":
		parts = append(parts, strings.Repeat("-", width))
	}
	return parts
}

// pointed is the text with a point after each digit.
func pointed(text string) string {
	var b strings.Builder
	for _, r := range text {
		b.WriteRune(r)
		b.WriteByte('.')
	}
	return b.String()
}

// pad fills text with spaces to a number of digits.
func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-len(text)+strings.Count(text, ".")))
}

// cell is one digit of a display.
type cell struct {
	char  byte // '0' to '9', '-' or ' '
	point bool // lit after it
}

// splitCells splits what segments.show is given.
func splitCells(text string) []cell {
	var cells []cell
	for i := range len(text) {
		if text[i] == '.' {
			cells[len(cells)-1].point = true
			continue
		}
		cells = append(cells, cell{char: text[i]})
	}
	return cells
}
