package lan

import (
	"strings"
	"testing"

	"mellium.im/xmpp/jid"
)

// Names as people give them make addresses, by XEP-0106 where a localpart cannot hold them.
func TestJID(t *testing.T) {
	for _, c := range []struct{ name, host, want string }{
		{"Living-room box", "raspberrypi", `living-room\20box@raspberrypi`},
		{"  box ", "Box.example.org", "box@box"},
		{"anna", "Annas-MacBook.local", "anna@annas-macbook"},
		{"d'artagnan & co", "h", `d\27artagnan\20\26\20co@h`},
		{"a@b/c:d", "h", `a\40b\2fc\3ad@h`},
		{"Gerät", "h", "gerät@h"},
		{"box ☃ \x00", "h", `box\20-\20-@h`},
		{`c:\20\5c \net`, "h", `c\3a\5c20\5c5c\20\net@h`},
		{"box", "my_host", "box@my-host"},
	} {
		j, err := JID(c.name, c.host)
		if err != nil || j.String() != c.want {
			t.Errorf("%q on %q: %v, %v; want %s", c.name, c.host, j, err, c.want)
		}
		if again, err := jid.Parse(j.String()); err != nil || !again.Equal(j) {
			t.Errorf("%v reads back as %v, %v", j, again, err)
		}
	}
	for _, name := range []string{"", "  ", strings.Repeat("x", 2000)} {
		if j, err := JID(name, "h"); err == nil {
			t.Errorf("%.20q makes %v", name, j)
		}
	}
	if _, err := JID("box", ""); err == nil {
		t.Error("no machine")
	}
	for _, name := range []string{"living-room box", `c:\20\5c \net`, `"&'/:<>@`} {
		if j, err := JID(name, "h"); err != nil || Name(j) != name {
			t.Errorf("the name %q comes back as %q, %v", name, Name(j), err)
		}
	}
	if j, err := LocalJID("box"); err != nil || j.Localpart() != "box" || j.Domainpart() == "" {
		t.Errorf("here: %v, %v", j, err)
	}
}

func TestParseTarget(t *testing.T) {
	for in, want := range map[string]string{
		"lan:box":              "box:5298",
		"lan:box.local:1234":   "box.local:1234",
		"192.0.2.1":            "192.0.2.1:5298",
		"lan:192.0.2.1:80":     "192.0.2.1:80",
		"lan:::1":              "[::1]:5298",
		"lan:[::1]":            "[::1]:5298",
		"lan:[fe80::1%eth0]:7": "[fe80::1%eth0]:7",
		"lan:fe80::1%eth0":     "[fe80::1%eth0]:5298",
	} {
		if got, err := ParseTarget(in); err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", "lan:", "lan::5", "lan:box:0", "lan:box:65536", "lan:box:x", "lan:a b", "lan:a@b", "lan:[::1", "lan:1:2:3", "lan:x/y"} {
		if got, err := ParseTarget(in); err == nil {
			t.Errorf("%q is taken as %q", in, got)
		}
	}
}

// What does not fit a DNS label is said when it can still be changed.
func TestLongNameIsNotAnnounced(t *testing.T) {
	if _, err := instanceName(jid.MustParse(strings.Repeat("x", 60) + "@host")); err == nil {
		t.Error("65 bytes fit a label of 63")
	}
}
