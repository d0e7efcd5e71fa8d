package c2s

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// prepare brings a password into the form that SCRAM hashes, SASLprep (RFC 4013 §2): spaces of any kind become U+0020, what
// stringprep maps to nothing goes, the rest is normalised. What SASLprep would prohibit is left for the server to refuse.
func prepare(password string) string {
	ascii := strings.IndexFunc(password, func(r rune) bool { return r >= 0x80 }) < 0
	if ascii {
		return password
	}
	return norm.NFKC.String(strings.Map(func(r rune) rune {
		switch {
		case mapsToNothing(r):
			return -1
		case unicode.Is(unicode.Zs, r):
			return ' '
		}
		return r
	}, password))
}

// mapsToNothing is table B.1 of RFC 3454.
func mapsToNothing(r rune) bool {
	switch {
	case r == 0x00AD, r == 0x034F, r == 0x1806, r >= 0x180B && r <= 0x180D, r >= 0x200B && r <= 0x200D,
		r == 0x2060, r >= 0xFE00 && r <= 0xFE0F, r == 0xFEFF:
		return true
	}
	return false
}
