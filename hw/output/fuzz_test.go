package output

import (
	"strings"
	"testing"

	"xtls-agent/internal/fuzztest"
)

// FuzzSpec: a spec string is an output of ours with known parameters, or one line says what is wrong with it.
func FuzzSpec(f *testing.F) {
	for _, s := range []string{"gpio:GPIO27?active=high&initial=off", "gpio:GPIO27", "gpio:", "gpio:a%3Fb?active=low", "gpio:x?initial=maybe", "relay:1", ":", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if err := Check(text); err != nil {
			if len(text) <= 200 { // it may quote the spec, which is the configuration's own
				fuzztest.Line(t, err)
			}
			return
		}
		if driver, _, _ := strings.Cut(text, ":"); drivers().Drivers[driver] == nil {
			t.Fatalf("%q was taken", text)
		}
	})
}
