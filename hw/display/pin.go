package display

import "strings"

// Digits of 6×10 pixels, drawn for strokes that stay apart when seen from far
// away on a small OLED. term: prints them too, two rows to a line of text.
const (
	digitW = 6
	digitH = 10

	digitGap = 1 // pixels between digits
	groupGap = 5 // pixels between the two groups of four
)

var digitRows = [digitH]string{
	//0      1      2      3      4      5      6      7      8      9
	".####. ..##.. .####. .####. ...##. ###### .####. ###### .####. .####.",
	"##..## .###.. ##..## ##..## ..###. ##.... ##..## ....## ##..## ##..##",
	"##..## ####.. ....## ....## .####. ##.... ##.... ....## ##..## ##..##",
	"##..## ..##.. ....## ....## ##.##. #####. ##.... ...##. ##..## ##..##",
	"##..## ..##.. ...##. ..###. ##.##. ....## #####. ...##. .####. ##..##",
	"##..## ..##.. ..##.. ....## ##.##. ....## ##..## ..##.. ##..## .#####",
	"##..## ..##.. .##... ....## ###### ....## ##..## ..##.. ##..## ....##",
	"##..## ..##.. ##.... ....## ...##. ....## ##..## .##... ##..## ....##",
	"##..## ..##.. ##.... ##..## ...##. ##..## ##..## .##... ##..## ##..##",
	".####. ###### ###### .####. ...##. .####. .####. .##... .####. .####.",
}

// digitInk reports whether pixel (x, y) of digit d ('0' to '9') is set.
func digitInk(d byte, x, y int) bool {
	return digitRows[y][int(d-'0')*(digitW+1)+x] == '#'
}

// pinCells returns the left edge of each digit of a PIN and the width of the
// whole, in pixels of the digits above.
func pinCells(pin string) (left []int, width int) {
	for i := range pin {
		if i > 0 {
			width += digitGap
		}
		if i == 4 {
			width += groupGap - digitGap
		}
		left = append(left, width)
		width += digitW
	}
	return left, width
}

// blockPIN draws a PIN in half blocks: square pixels, since a character cell is
// about twice as high as it is wide.
func blockPIN(pin string) []string {
	left, width := pinCells(pin)
	ink := func(x, y int) bool {
		for i, l := range left {
			if x >= l && x < l+digitW {
				return digitInk(pin[i], x-l, y)
			}
		}
		return false
	}
	blocks := [2][2]string{{" ", "▄"}, {"▀", "█"}}
	rows := make([]string, digitH/2)
	for i := range rows {
		var b strings.Builder
		for x := range width {
			b.WriteString(blocks[bit(ink(x, 2*i))][bit(ink(x, 2*i+1))])
		}
		rows[i] = b.String()
	}
	return rows
}

func bit(set bool) int {
	if set {
		return 1
	}
	return 0
}
