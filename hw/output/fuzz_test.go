package output

import (
	"testing"

	"xtls-agent/internal/fuzztest"
)

// FuzzSpec: a spec string is an output of ours with known parameters, or one line says what is wrong with it.
func FuzzSpec(f *testing.F) {
	for _, s := range []string{"gpio:GPIO27?active=high&initial=off", "gpio:GPIO27", "gpio:", "gpio:a%3Fb?active=low", "gpio:x?initial=maybe", "relay:1", ":", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		fuzztest.Spec(t, text, Check(text), func(driver string) bool { return drivers().Drivers[driver] != nil })
	})
}
