//go:build !minimal

package display

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// spell replaces what a display has no sign for: by the same letter without its
// accents, by plain punctuation, else by a question mark.
func spell(s string, has func(rune) bool) string {
	var b strings.Builder
	for _, r := range s {
		if has(r) {
			b.WriteRune(r)
			continue
		}
		for _, d := range plain(r) {
			switch {
			case unicode.Is(unicode.Mn, d):
			case has(d):
				b.WriteRune(d)
			default:
				b.WriteByte('?')
			}
		}
	}
	return b.String()
}

func plain(r rune) string {
	switch r {
	case '‘', '’', '‚':
		return "'"
	case '“', '”', '„', '«', '»':
		return `"`
	case '‐', '‑', '–', '—', '−':
		return "-"
	case '~':
		return "-"
	case '\\':
		return "/"
	case 'ß':
		return "ss"
	case 'ø':
		return "o"
	case 'Ø':
		return "O"
	case 'ł':
		return "l"
	case 'Ł':
		return "L"
	case 'æ':
		return "ae"
	case 'Æ':
		return "Ae"
	}
	return norm.NFKD.String(string(r))
}
