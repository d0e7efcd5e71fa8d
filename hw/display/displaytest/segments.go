//go:build !minimal

package displaytest

import (
	"fmt"
	"strings"
)

// seven are the digits on seven segments, by the segments that are lit (TM1637
// datasheet, §9, figure of the segments; MAX7219 datasheet, table 5).
var seven = map[string]byte{
	"": ' ', "G": '-',
	"ABCDEF": '0', "BC": '1', "ABDEG": '2', "ABCDG": '3', "BCFG": '4',
	"ACDFG": '5', "ACDEFG": '6', "ABC": '7', "ABCDEFG": '8', "ABCDFG": '9',
}

// fourteen are the digits on fourteen segments: G in two halves, g and h; above it j, k
// and l, which lean left, stand, and lean right; below it m, n and p, which lean right,
// stand, and lean left. A zero has the stroke that l and m make.
var fourteen = map[string]byte{
	"": ' ', "gh": '-',
	"ABCDEFlm": '0', "BC": '1', "ABDEgh": '2', "ABCDh": '3', "BCFgh": '4',
	"ADFgp": '5', "ACDEFgh": '6', "ABC": '7', "ABCDEFgh": '8', "ABCDFgh": '9',
}

// lit names the segments that are set in bits, of which the first has the first name.
func lit(bits uint16, names string) string {
	var b strings.Builder
	for i, name := range names {
		if bits>>i&1 == 1 {
			b.WriteRune(name)
		}
	}
	return b.String()
}

// readSegments is the digit that the segments show, with its point.
func readSegments(segments string, table map[string]byte, point bool) (string, error) {
	c, ok := table[segments]
	if !ok {
		return "", fmt.Errorf("displaytest: the segments %s are no digit", segments)
	}
	if point {
		return string(c) + ".", nil
	}
	return string(c), nil
}
