// Package fuzztest holds what the fuzz targets of all packages ask of every parser. It is for tests only.
package fuzztest

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// maxLine bounds an error in bytes: what a peer wrote may be quoted in it, but not at length.
const maxLine = 4096

// Line holds an error to what a person and a log may expect of it: one line of printable text that is not too long and
// has none of the secrets in it (DESIGN §5 and §6). A nil error is no failure; it returns whether there is one.
func Line(t testing.TB, err error, secrets ...string) bool {
	t.Helper()
	if err == nil {
		return false
	}
	text := err.Error()
	if why := wrong(text, secrets); why != "" {
		t.Fatalf("an error of %d bytes %s: %.2000q", len(text), why, text)
	}
	return true
}

// Spec holds what was said of a hardware's spec string to it: one that was taken begins with a driver that is known, and one line says
// what is wrong with another.
func Spec(t testing.TB, text string, err error, known func(driver string) bool) {
	t.Helper()
	if err != nil {
		if len(text) <= 200 { // it may quote the spec, which is the configuration's own
			Line(t, err)
		}
		return
	}
	if driver, _, _ := strings.Cut(text, ":"); !known(driver) {
		t.Fatalf("%q was taken", text)
	}
}

func wrong(text string, secrets []string) string {
	switch {
	case text == "":
		return "is empty"
	case len(text) > maxLine:
		return "is too long"
	case !utf8.ValidString(text):
		return "is not UTF-8"
	case strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }):
		return "is not one printable line"
	}
	for _, secret := range secrets {
		if len(secret) >= 4 && strings.Contains(text, secret) { // less may be in any text by chance
			return "quotes a secret"
		}
	}
	return ""
}
