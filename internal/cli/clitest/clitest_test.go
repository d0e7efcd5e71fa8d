package clitest

import "testing"

func TestOneError(t *testing.T) {
	for stderr, want := range map[string]bool{
		"lamp: it is dark\n":                   true,
		"waiting…\nlamp: it is dark\n":         true,
		"":                                     false,
		"it is dark\n":                         false,
		"lamp: \n":                             false,
		"lamp: It is dark\n":                   false,
		"lamp: lamp: it is dark\n":             false,
		"lamp: it is dark\nlamp: it is cold\n": false,
		"lamp: it is dark\nlamp: It is cold\n": false,
	} {
		if got := oneError("lamp", stderr); got != want {
			t.Errorf("%q: %v", stderr, got)
		}
	}
}
