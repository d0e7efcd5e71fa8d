//go:build !minimal

package display

import "golang.org/x/text/unicode/norm"

// Widths of Helvetica and Helvetica-Bold in thousandths of an em, from space to tilde: Adobe's font metrics.
var helvetica = [2][95]uint16{
	{
		278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278,
		556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556,
		1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778,
		667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556,
		333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556,
		556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
	},
	{
		278, 333, 474, 556, 556, 889, 722, 238, 333, 333, 389, 584, 278, 333, 278, 278,
		556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 333, 333, 584, 584, 584, 611,
		975, 722, 722, 722, 722, 667, 611, 778, 722, 278, 556, 722, 611, 833, 722, 778,
		667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 333, 278, 333, 584, 556,
		333, 556, 611, 556, 611, 556, 333, 611, 611, 278, 278, 556, 278, 889, 611, 611,
		611, 611, 389, 556, 333, 611, 556, 778, 556, 556, 500, 389, 280, 389, 584,
	},
}

// helveticaWidth is the width of a character of ASCII, or of a letter of Latin-1 with an accent, which is as wide as that
// without: but for an i, whose dot goes. ok is false for others.
func helveticaWidth(r rune, bold bool) (w int, ok bool) {
	table := &helvetica[bit(bold)]
	switch {
	case r >= ' ' && r <= '~':
		return int(table[r-' ']), true
	case r == 'ß':
		return 611, true
	case r < 'À' || r > 'ÿ':
		return 0, false
	}
	letters := []rune(norm.NFD.String(string(r)))
	switch {
	case len(letters) != 2: // such as ×, or a letter of its own
		return 0, false
	case letters[0] == 'i':
		return 278, true
	}
	return int(table[letters[0]-' ']), true
}
