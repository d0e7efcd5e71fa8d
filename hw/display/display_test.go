package display

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// DESIGN §5, secrets in logs: no verb and no log handler prints the PIN.
func TestScreenHidesPIN(t *testing.T) {
	s := Screen{Title: "box", PIN: "12345678", URI: "xmpp:box@home.example?xtls-pair;pin=12345678"}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("screen", "screen", s, "pointer", &s)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("screen", "screen", s)
	text := log.String()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		text += fmt.Sprintf(verb, s) + fmt.Sprintf(verb, &s) + fmt.Sprintf(verb, []Screen{s})
	}
	for _, secret := range []string{"12345678", "3132333435", "pin="} {
		if strings.Contains(text, secret) {
			t.Errorf("the PIN is in: %s", text)
		}
	}
	if !strings.Contains(text, "pin:true") {
		t.Error("that there is a PIN may be said")
	}
}

func TestGroupedPIN(t *testing.T) {
	for pin, want := range map[string]string{"": "", "1234": "1234", "12345": "1234 5", "12345678": "1234 5678"} {
		if got := (Screen{PIN: pin}).GroupedPIN(); got != want {
			t.Errorf("GroupedPIN(%q) = %q, want %q", pin, got, want)
		}
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"Küche":                        "Küche",
		" a \n\t b\r":                  "a b",
		"\x1b[31mred":                  "[31mred",
		"a\u202eb\u2066c":              "abc",
		"a\u200b\ufeffb":               "ab",
		"a\x00\x7f\u009bb":             "ab",
		"\xffa":                        "\ufffda",
		"\ue000":                       "",
		strings.Repeat("é", maxText+1): strings.Repeat("é", maxText) + "…",
	} {
		if got := clean(in); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
}

// A PIN is 8 digits and nothing else; text is bounded whatever a peer sends.
func TestCleaned(t *testing.T) {
	s := Screen{PIN: "12-34 5678 9", Lines: make([]string, 1000)}
	for i := range s.Lines {
		s.Lines[i] = "x"
	}
	if c := s.cleaned(); c.PIN != "12345678" || len(c.Lines) != maxLines {
		t.Errorf("PIN %q, %d lines", c.PIN, len(c.Lines))
	}
}

func TestWrap(t *testing.T) {
	for _, tt := range []struct {
		text string
		max  int
		want string
	}{
		{"", 5, ""},
		{"one", 5, "one"},
		{"one two six", 7, "one two|six"},
		{"abcdefgh", 3, "abc|def|gh"},
		{"to anna@home.example now", 12, "to|anna|@home.exampl|e now"},
		{"家家家", 4, "家家|家"},
		{"家", 1, "家"},
		{"éé", 1, "é|é"},
	} {
		got := strings.Join(wrap(tt.text, tt.max, cells), "|")
		if got != tt.want {
			t.Errorf("wrap(%q, %d) = %q, want %q", tt.text, tt.max, got, tt.want)
		}
	}
}

// Every digit differs from every other in many pixels, so that a dead pixel or
// bad eyes do not make one of another.
func TestDigitsDiffer(t *testing.T) {
	for a := byte('0'); a <= '9'; a++ {
		for b := byte('0'); b < a; b++ {
			n := 0
			for y := range digitH {
				for x := range digitW {
					n += bit(digitInk(a, x, y) != digitInk(b, x, y))
				}
			}
			if n < 4 {
				t.Errorf("%c and %c differ in %d pixels only", a, b, n)
			}
		}
	}
}
