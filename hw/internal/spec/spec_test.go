package spec

import (
	"errors"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	s, err := Parse("ssd1306:/dev/i2c-1?addr=0x3d&h=32")
	if err != nil {
		t.Fatal(err)
	}
	if s.Driver != "ssd1306" || s.NeedPath("") != "/dev/i2c-1" {
		t.Errorf("driver %q, path %q", s.Driver, s.Path)
	}
	if got := s.Int("addr", 0x3c, 0x3c, 0x3d); got != 0x3d {
		t.Errorf("addr = %#x", got)
	}
	if got := s.Choice("h", "64", "32"); got != "32" {
		t.Errorf("h = %s", got)
	}
	if got := s.Choice("rotate", "0", "180"); got != "0" {
		t.Errorf("rotate without a value = %s, want the first choice", got)
	}
	if err := s.Done(); err != nil {
		t.Error(err)
	}
}

func TestParseEscapes(t *testing.T) {
	s, err := Parse("evdev:What%3F 100%25?key=a%26b")
	if err != nil {
		t.Fatal(err)
	}
	if s.Text("none") != "" || s.Text("key") != "a&b" || s.NeedText("key", "") != "a&b" {
		t.Error("the text of a value is another")
	}
	if s.Path != "What? 100%" || s.Choice("key", "x", "a&b") != "a&b" || s.Done() != nil {
		t.Errorf("%+v", s)
	}
}

func TestParseRefuses(t *testing.T) {
	for in, want := range map[string]string{
		"":                           "names no driver",
		"term":                       "no colon",
		":x":                         "not the name of a driver",
		"Term:":                      "not the name of a driver",
		"9seg:":                      "not the name of a driver",
		"png:a\x00b":                 "control character",
		"png:a%00b":                  "control character",
		"png:a%0ab":                  "control character",
		"png:\xff":                   "UTF-8",
		"png:%ff":                    "control character",
		"png:100%":                   "%25",
		"png:a?":                     "key=value",
		"png:a?w":                    "key=value",
		"png:a?w=1&":                 "key=value",
		"png:a?=1":                   "key=value",
		"png:a?W=1":                  "key=value",
		"png:a?w=1&w=1":              "given twice",
		strings.Repeat("a", 5000):    "longer than",
		"png:a?w=1&h=2&w=3":          "given twice",
		"png:a?x=%zz":                "%25",
		"ssd1306/dev/i2c-1?addr=0:1": "not the name of a driver",
	} {
		if _, err := Parse(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%.40q) = %v, want an error with %q", in, err, want)
		}
	}
}

func TestGettersRefuse(t *testing.T) {
	tests := []struct {
		in, want string
		get      func(*Spec)
	}{
		{"x:p", "takes no path", func(s *Spec) { s.NoPath() }},
		{"x:", "as in \"x:/p\"", func(s *Spec) { s.NeedPath("x:/p") }},
		{"x:?n=9", "n=9 is not a number from 1 to 8", func(s *Spec) { s.Int("n", 1, 1, 8) }},
		{"x:?n=0x9", "n=0x9 is not a number from 0x1 to 0x8", func(s *Spec) { s.Int("n", 1, 1, 8) }},
		{"x:?n=", "is not a number", func(s *Spec) { s.Int("n", 1, 1, 8) }},
		{"x:?n=99999999999999999999", "is not a number", func(s *Spec) { s.Int("n", 1, 1, 8) }},
		{"x:?c=d", "c=d is not one of a, b", func(s *Spec) { s.Choice("c", "a", "b") }},
		{"x:?t=", "t is empty", func(s *Spec) { s.Text("t") }},
		{"x:?t=" + strings.Repeat("a", 129), "longer than 128", func(s *Spec) { s.Text("t") }},
		{"x:", "no t given: write it as in \"x:?t=a\"", func(s *Spec) { s.NeedText("t", "x:?t=a") }},
		{"x:", "why", func(s *Spec) { s.Fail(errors.New("why")); s.Fail(errors.New("another")) }},
		{"x:?z=1", "it takes none", func(*Spec) {}},
		{"x:?z=1", "unknown parameter \"z\": it takes a, b", func(s *Spec) { s.Int("a", 0, 0, 0); s.Choice("b", "") }},
	}
	for _, tt := range tests {
		s, err := Parse(tt.in)
		if err != nil {
			t.Fatal(err)
		}
		tt.get(s)
		if err := s.Done(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want an error with %q", tt.in, err, tt.want)
		}
	}
}

// A spec that is accepted holds nothing that could reach a terminal or a system
// call as more than text.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"term:", "png:/run/pin.png", "ssd1306:/dev/i2c-1?addr=0x3c&h=32", "evdev:a%3Fb?key=%26", "a:?b=c&b=d", "a:%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		s, err := Parse(in)
		if err != nil {
			return
		}
		if !isWord(s.Driver, false) || checkText("x"+s.Path) != nil {
			t.Errorf("Parse(%q) let %q, %q through", in, s.Driver, s.Path)
		}
		for k, v := range s.params {
			if !isWord(k, true) || checkText("x"+v) != nil {
				t.Errorf("Parse(%q) let %q=%q through", in, k, v)
			}
		}
	})
}
