package agent

import (
	"strings"
	"testing"
)

// DESIGN §6: unknown keys and specs are errors with the line number, never a fallback. The TOML library asks no
// UnmarshalText of what is a string: each word that is checked has a line here.
func TestConfigErrorsNameTheLine(t *testing.T) {
	for text, want := range map[string]string{
		"\nname = \"a\\u0007b\"":           "line 2: name holds",
		"\nname = \"\"":                    "line 2: name must have",
		"display = [\"none:\",\n\"crt:\"]": "line 2: display",
		"\n\nbutton = [\"bell:\"]":         "line 3: button",
		"[xmpp]\njid = \"home.example\"":   "line 2: \"home.example\" is no account",
		"[xmpp]\njid = \"b@c.example\"\npassword_file = \"p\"\nlink = \"bosh\"": "line 4: \"bosh\" is unknown",
		"[pairing]\nmode = \"web\"":    "line 2: \"web\" is a way to pair that is not built yet",
		"[pairing]\nmode = \"shout\"":  "line 2: \"shout\" is unknown",
		"[pairing]\nwindow = \"long\"": "line 2: \"long\" is no time span",
		"[lan]\nport = 3":              "line 2: unknown key \"lan.port\"",
	} {
		if _, err := ParseConfig([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s …", text, err, want)
		}
	}
}
