package cli

import (
	"bufio"
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"xtls-agent/internal/fuzztest"
)

// FuzzLine: an answer to a prompt is the line that was typed, whole, and the rest stays for the next prompt.
func FuzzLine(f *testing.F) {
	for _, s := range []string{"2718 2818\n", "hunter22\r\nmore", "", "\n", "no end", strings.Repeat("x", maxLine+1)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := bufio.NewReader(iotest.HalfReader(strings.NewReader(text)))
		line, err := limitedLine(r)
		want, rest, found := strings.Cut(text, "\n")
		if fuzztest.Line(t, err, want) {
			if errors.Is(err, ErrInputEnded) != (text == "") || text != "" && len(want) <= maxLine {
				t.Fatalf("%d bytes: %v", len(want), err)
			}
			return
		}
		if line != strings.TrimSuffix(want, "\r") {
			t.Fatalf("read %q of %q", line, text)
		}
		next, err := limitedLine(r)
		if second, _, _ := strings.Cut(rest, "\n"); found && err == nil && next != strings.TrimSuffix(second, "\r") {
			t.Fatalf("then read %q of %q", next, rest)
		}
	})
}
