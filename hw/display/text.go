package display

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// maxText bounds each text of a screen, in characters. A JID may have 3071 bytes
// (RFC 7622 §3.1); no display has room for them.
const maxText = 200

const (
	maxPIN   = 8 // digits; what is typed may be fewer
	maxLines = 6
)

// clean makes text harmless and printable on one line. A name may come from a
// peer: an escape sequence in it would rule the terminal, and a bidirectional
// override would let it read as another name. What is longer than maxText is cut.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n' || r == '\r' || r == '\u2028' || r == '\u2029':
			return ' '
		case !printable(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	return truncate(strings.Join(strings.Fields(s), " "), maxText)
}

// truncate cuts s to at most n characters.
func truncate(s string, n int) string {
	for i := range s {
		if n--; n < 0 {
			return s[:i] + "…"
		}
	}
	return s
}

// cleaned returns the screen with all text made harmless and empty lines left out.
// Only digits are left of a PIN, and at most 8 of them.
func (s Screen) cleaned() Screen {
	c := Screen{Title: clean(s.Title), Address: clean(s.Address), URI: s.URI, Test: s.Test}
	c.PIN = strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s.PIN)
	c.PIN = c.PIN[:min(len(c.PIN), maxPIN)]
	for _, line := range s.Lines {
		if line = clean(line); line != "" && len(c.Lines) < maxLines {
			c.Lines = append(c.Lines, line)
		}
	}
	return c
}

// printable leaves out control and format characters (Cc, Cf: escape,
// bidirectional overrides, zero-width joiners), private use and surrogates.
func printable(r rune) bool {
	return r == ' ' || unicode.IsGraphic(r) && !unicode.In(r, unicode.C)
}

// cells is the number of columns a terminal gives to s.
func cells(s string) int {
	n := 0
	for _, r := range s {
		switch {
		case unicode.In(r, unicode.Mn, unicode.Me):
		case wide(r):
			n += 2
		default:
			n++
		}
	}
	return n
}

func wide(r rune) bool {
	k := width.LookupRune(r).Kind()
	return k == width.EastAsianWide || k == width.EastAsianFullwidth
}

// wrap breaks text into lines that measure at most max each, at spaces where
// there are any, and within words that are longer than a line (a JID). A single
// character that is wider than max stands alone.
func wrap(text string, max int, measure func(string) int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		joined := word
		if line != "" {
			joined = line + " " + word
		}
		if measure(joined) <= max {
			line = joined
			continue
		}
		if line != "" {
			lines = append(lines, line)
		}
		for measure(word) > max {
			head := fit(word, max, measure)
			if head == word {
				break
			}
			if i := strings.LastIndexByte(head, '@'); i > 0 {
				head = head[:i] // a JID is best broken before its domain
			}
			lines = append(lines, head)
			word = word[len(head):]
		}
		line = word
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// fit returns the longest beginning of s that measures at most max, but at
// least one character.
func fit(s string, max int, measure func(string) int) string {
	end := 0
	for end < len(s) {
		_, n := utf8.DecodeRuneInString(s[end:])
		if end > 0 && measure(s[:end+n]) > max {
			break
		}
		end += n
	}
	return s[:end]
}
