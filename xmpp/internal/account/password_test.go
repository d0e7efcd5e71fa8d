package account

import "testing"

// The examples of RFC 4013 §3 that are not refused, kinds of spaces, and what a keyboard may make of an umlaut.
func TestPrepare(t *testing.T) {
	for in, want := range map[string]string{
		"I\u00adX": "IX", "user": "user", "USER": "USER", "\u00aa": "a", "\u2168": "IX", "": "",
		"u\u0308": "\u00fc", "a b": "a b", "a\u00a0b": "a b", "a\u00a0b\u3000": "a b ",
		"a\u200bb\ufe0f\ufeff": "ab",
	} {
		if got := Prepare(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}
