package control

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of an output on the wire, so that it fits into a stanza of 262144 bytes and 4096
// elements, which is what servers and our own decoder take.
const (
	maxOutput = 160 << 10 // bytes, escaped, tags included
	maxLines  = 2000
	lineCost  = len("<value></value>")
)

// cleanLines returns text as lines that XML can carry and a terminal can show: bytes that are not
// UTF-8 and control characters but tab become U+FFFD (an escape sequence of a peer must
// not reach its reader's terminal). It reports whether lines had to be left out.
func cleanLines(text string) (lines []string, cut bool) {
	text = strings.TrimSuffix(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	if text == "" {
		return nil, false
	}
	room := maxOutput
	for line := range strings.SplitSeq(text, "\n") {
		if len(lines) == maxLines {
			return lines, true
		}
		clean, whole := cleanUpTo(line, room-lineCost)
		if clean != "" || whole {
			lines = append(lines, clean)
		}
		if !whole {
			return lines, true
		}
		room -= escapedLen(clean) + lineCost
	}
	return lines, false
}

// cleanLine returns text as one line.
func cleanLine(text string) string {
	text, _ = cleanUpTo(strings.TrimSpace(text), 2000)
	return text
}

// cleanUpTo cleans line up to room bytes of its escaped form, and reports whether it is whole.
func cleanUpTo(line string, room int) (clean string, whole bool) {
	var b strings.Builder
	for _, r := range line { // what is not UTF-8 comes as U+FFFD
		if unicode.IsControl(r) && r != '\t' || r == 0xFFFE || r == 0xFFFF {
			r = utf8.RuneError
		}
		if room -= escapedRune(r); room < 0 {
			return b.String(), false
		}
		b.WriteRune(r)
	}
	return b.String(), room >= 0
}

func escapedLen(s string) int {
	n := 0
	for _, r := range s {
		n += escapedRune(r)
	}
	return n
}

// escapedRune is the length of r in character data.
func escapedRune(r rune) int {
	switch r {
	case '&':
		return len("&amp;")
	case '<', '>':
		return len("&lt;")
	}
	return utf8.RuneLen(r)
}
