package fuzztest

import (
	"strings"
	"testing"
)

func TestWhatIsWrong(t *testing.T) {
	for text, right := range map[string]bool{
		"the peer said \"héllo\"": true, "": false, "two\nlines": false, "\x1b[2J": false, "\xff": false, "\u202e": false,
		strings.Repeat("x", 5000): false, "PIN 27182818 is wrong": false,
	} {
		if why := wrong(text, []string{"27182818"}); (why == "") != right {
			t.Errorf("%.40q: %q", text, why)
		}
	}
}
