// Package spec reads the strings by which a configuration names hardware:
//
//	driver:path?key=value&key=value
//
// as in "ssd1306:/dev/i2c-1?addr=0x3c&h=32", "png:/run/pin.png" or "term:".
// The colon is required, path and parameters are not. In the path and in values,
// %XX stands for a byte, so that a device name may hold "?", "&" or "%".
//
// The package knows the grammar; what a driver, a key or a value means is the
// driver's to say. It is strict: unknown keys, repeated keys and values out of
// range are errors that name what would be right, never a fallback. A display
// that silently is not the one that was asked for shows a PIN to the wrong people.
package spec

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxLen bounds a spec; the longest sensible one is a path of PATH_MAX bytes.
const maxLen = 4096

// Spec is a parsed spec string. Its getters take what a driver knows, in any
// order; Done then reports the first thing that was wrong, or a key that no
// getter asked for.
type Spec struct {
	Driver string // lowercase letters and digits, beginning with a letter
	Path   string // what stands between ":" and "?", possibly empty

	params map[string]string
	asked  []string
	err    error
}

// Parse splits a spec string. It does not know any driver.
func Parse(s string) (*Spec, error) {
	if err := checkText(s); err != nil {
		return nil, err
	}
	driver, rest, ok := strings.Cut(s, ":")
	if !ok {
		return nil, fmt.Errorf("%q has no colon: write driver:path, as in %q", s, s+":")
	}
	if !isWord(driver, false) {
		return nil, fmt.Errorf("%q is not the name of a driver: write driver:path, as in \"term:\"", driver)
	}
	rawPath, query, hasQuery := strings.Cut(rest, "?")
	path, err := unescape(rawPath)
	if err != nil {
		return nil, err
	}
	sp := &Spec{Driver: driver, Path: path, params: map[string]string{}}
	if !hasQuery {
		return sp, nil
	}
	for pair := range strings.SplitSeq(query, "&") {
		if err := sp.addParam(pair); err != nil {
			return nil, err
		}
	}
	return sp, nil
}

func checkText(s string) error {
	switch {
	case s == "":
		return errors.New("an empty string names no driver: write driver:path, as in \"term:\"")
	case len(s) > maxLen:
		return fmt.Errorf("longer than %d bytes", maxLen)
	case !utf8.ValidString(s):
		return errors.New("not valid UTF-8")
	case strings.ContainsFunc(s, unicode.IsControl):
		return fmt.Errorf("%q holds a control character", s)
	}
	return nil
}

func (s *Spec) addParam(pair string) error {
	key, raw, ok := strings.Cut(pair, "=")
	if !ok || !isWord(key, true) {
		return fmt.Errorf("parameter %q is not of the form key=value", pair)
	}
	if _, dup := s.params[key]; dup {
		return fmt.Errorf("parameter %q is given twice", key)
	}
	value, err := unescape(raw)
	if err != nil {
		return err
	}
	s.params[key] = value
	return nil
}

// unescape decodes %XX. A decoded control character is refused as a plain one is.
func unescape(s string) (string, error) {
	u, err := url.PathUnescape(s)
	if err != nil {
		return "", fmt.Errorf("%q: a percent sign itself is written %%25", s)
	}
	if !utf8.ValidString(u) || strings.ContainsFunc(u, unicode.IsControl) {
		return "", fmt.Errorf("%q holds a control character", s)
	}
	return u, nil
}

// isWord reports whether s is a letter followed by letters and digits and,
// for keys, hyphens; all lowercase ASCII.
func isWord(s string, hyphen bool) bool {
	for i, r := range s {
		letter := 'a' <= r && r <= 'z'
		later := '0' <= r && r <= '9' || hyphen && r == '-'
		if !letter && (i == 0 || !later) {
			return false
		}
	}
	return s != ""
}

// NeedPath requires a path; example is a whole spec that has one.
func (s *Spec) NeedPath(example string) string {
	if s.Path == "" {
		s.Fail(fmt.Errorf("no path given: write it as in %q", example))
	}
	return s.Path
}

// NoPath requires that there is no path.
func (s *Spec) NoPath() {
	if s.Path != "" {
		s.Fail(fmt.Errorf("takes no path, but %q is given: write \"%s:\"", s.Path, s.Driver))
	}
}

// Int returns a whole number, decimal or with 0x, from min to max, both
// included; def where the key is not given.
func (s *Spec) Int(key string, def, min, max int) int {
	v, ok := s.value(key)
	if !ok {
		return def
	}
	n, err := strconv.ParseInt(v, 0, 32)
	if err != nil || int(n) < min || int(n) > max {
		s.Fail(fmt.Errorf("%s=%s is not a number from %s to %s", key, v, like(v, min), like(v, max)))
		return def
	}
	return int(n)
}

// like writes a bound the way the person wrote the value.
func like(v string, n int) string {
	if strings.HasPrefix(v, "0x") {
		return fmt.Sprintf("%#x", n)
	}
	return strconv.Itoa(n)
}

// Choice returns one of the given words; the first where the key is not given.
func (s *Spec) Choice(key string, words ...string) string {
	v, ok := s.value(key)
	if !ok {
		return words[0]
	}
	if !slices.Contains(words, v) {
		s.Fail(fmt.Errorf("%s=%s is not one of %s", key, v, strings.Join(words, ", ")))
		return words[0]
	}
	return v
}

// maxText bounds a value that is text; what a system calls its parts is shorter.
const maxText = 128

// Text returns a value as it stands; "" where the key is not given.
func (s *Spec) Text(key string) string {
	v, ok := s.value(key)
	if ok && (v == "" || len(v) > maxText) {
		s.Fail(fmt.Errorf("%s is empty, or longer than %d bytes", key, maxText))
	}
	return v
}

// NeedText requires a key; example is a whole spec that has it.
func (s *Spec) NeedText(key, example string) string {
	v := s.Text(key)
	if v == "" {
		s.Fail(fmt.Errorf("no %s given: write it as in %q", key, example))
	}
	return v
}

// Done returns the first error of the getters, else an error that names a key
// that none of them asked for, else nil.
func (s *Spec) Done() error {
	if s.err != nil {
		return fmt.Errorf("%s: %w", s.Driver, s.err)
	}
	for _, key := range slices.Sorted(maps.Keys(s.params)) {
		if slices.Contains(s.asked, key) {
			continue
		}
		if len(s.asked) == 0 {
			return fmt.Errorf("%s: unknown parameter %q: it takes none", s.Driver, key)
		}
		return fmt.Errorf("%s: unknown parameter %q: it takes %s", s.Driver, key, strings.Join(s.asked, ", "))
	}
	return nil
}

// Fail says that the driver finds something wrong that no getter can; the first failure counts.
func (s *Spec) Fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// Refuse makes the spec one that cannot be had, for the reason given, whatever else stands in it.
func (s *Spec) Refuse(why error) { s.err = why }

func (s *Spec) value(key string) (string, bool) {
	s.asked = append(s.asked, key)
	v, ok := s.params[key]
	return v, ok
}
