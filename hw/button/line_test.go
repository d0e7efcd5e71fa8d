package button

import (
	"bytes"
	"io"
	"log/slog"
	"strings"
	"testing"
)

// Whatever is written to a button that reads lines, it takes no event but from a
// line that is a word of ours, and ends when its input ends.
func FuzzKey(f *testing.F) {
	for _, s := range []string{"\n", "press\n", "hold 10\r\nhold", "x\x00\n\n", strings.Repeat("a", 200) + "\npress\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		k := &key{source: newSource(), in: io.NopCloser(bytes.NewReader(in)), log: slog.New(slog.DiscardHandler)}
		k.read()
		k.end()
		got := 0
		for range k.Events() {
			got++
		}
		if lines := bytes.Count(in, []byte("\n")) + 1; got > lines {
			t.Errorf("%d events from %d lines", got, lines)
		}
		if _, err := line(string(in)); err == nil && len(bytes.TrimSpace(in)) < len("hold") {
			t.Errorf("%q is a word of ours", in)
		}
	})
}
