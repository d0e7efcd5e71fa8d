package cli

import (
	"strings"
	"unicode"
)

// OneLine keeps what peers wrote from moving the cursor, from starting a line, and from turning the rest of the line around: control and format
// characters go, as they do on a device's display.
func OneLine(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsGraphic(r) || unicode.In(r, unicode.C):
			return -1
		}
		return r
	}, s)
}
