package button

import (
	"strings"
	"testing"

	"xtls-agent/internal/fuzztest"
)

// FuzzSpec: a spec string is a button of ours with known parameters, or one line says what is wrong with it.
func FuzzSpec(f *testing.F) {
	for _, s := range []string{"key:", "socket:/run/xtls-agent/button.sock", "socket:", "gpio:GPIO17?active=low", "key:?a=b", "socket:relative", "socket:/" + strings.Repeat("x", 200), ":", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		fuzztest.Spec(t, text, Check(text), func(driver string) bool { return drivers().Drivers[driver] != nil })
	})
}
