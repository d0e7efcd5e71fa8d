package pairing

import (
	"strings"
	"testing"
)

func TestURIRoundTrip(t *testing.T) {
	pin := mustPIN(t, "27182818")
	for _, test := range []struct{ jid, uri string }{
		{"box@home.example", "xmpp:box@home.example?xtls-pair;pin=27182818"},
		{"box@[::1]", "xmpp:box@[::1]?xtls-pair;pin=27182818"},
		{"component.home.example", "xmpp:component.home.example?xtls-pair;pin=27182818"},
		// RFC 5122 §2.7.2: characters that a JID may have and a URI may not.
		{"nasty!#$%()*+,-.;=?[\\]^_`{|}~node@example.com",
			"xmpp:nasty%21%23%24%25%28%29%2A%2B%2C-.%3B%3D%3F[%5C]%5E_%60%7B%7C%7D~node@example.com?xtls-pair;pin=27182818"},
		{"jiří@čechy.example", "xmpp:ji%C5%99%C3%AD@%C4%8Dechy.example?xtls-pair;pin=27182818"},
	} {
		uri, err := FormatURI(test.jid, pin)
		if err != nil || uri != test.uri {
			t.Errorf("FormatURI(%q) = %q, %v; want %q", test.jid, uri, err, test.uri)
			continue
		}
		bare, got, err := ParseURI(uri)
		if err != nil || bare != test.jid || !got.Equal(pin) {
			t.Errorf("ParseURI(%q) = %q, %v", uri, bare, err)
		}
	}
}

func TestParseURIAccepts(t *testing.T) {
	for _, uri := range []string{
		"XMPP:box@home.example?xtls-pair;pin=27182818",
		"xmpp:b%6Fx@home.example?xtls-pair;pin=27182818",
	} {
		if bare, _, err := ParseURI(uri); err != nil || bare != "box@home.example" {
			t.Errorf("ParseURI(%q) = %q, %v", uri, bare, err)
		}
	}
	if bare, _, err := ParseURI("xmpp:a!$()*+,;=b@home.example?xtls-pair;pin=27182818"); err != nil || bare != "a!$()*+,;=b@home.example" {
		t.Errorf("nodeallow characters: %q, %v", bare, err)
	}
}

func TestParseURIRefuses(t *testing.T) {
	const good = "xmpp:box@home.example?xtls-pair;pin=27182818"
	if _, _, err := ParseURI(good + strings.Repeat("8", maxURI+1-len(good))); err != errURILength {
		t.Errorf("a URI without end: %v", err)
	}
	for i := range good {
		if _, _, err := ParseURI(good[:i]); err == nil {
			t.Errorf("the prefix %q was accepted", good[:i])
		}
	}
	for _, uri := range []string{
		"https:box@home.example?xtls-pair;pin=27182818",
		"xmpp:box@home.example?message;pin=27182818",
		"xmpp:box@home.example?xtls-pair;pin=2718-2818",
		"xmpp:box@home.example?xtls-pair;pin=2718281x",
		"xmpp:box@home.example?xtls-pair;pin=%327182818",
		"xmpp:box@home.example?xtls-pair;pin=271828180",
		"xmpp:box@home.example?xtls-pair;pin=27182818;pin=27182818",
		"xmpp:box@home.example?xtls-pair;name=a;pin=27182818",
		"xmpp:box@home.example?xtls-pair;pin=27182818#f",
		"xmpp:box@home.example/lamp?xtls-pair;pin=27182818",
		"xmpp:box%40home.example?xtls-pair;pin=27182818",
		"xmpp:box@home.example%2Flamp?xtls-pair;pin=27182818",
		"xmpp:b%00x@home.example?xtls-pair;pin=27182818",
		"xmpp:b%6@home.example?xtls-pair;pin=27182818",
		"xmpp:b%zz@home.example?xtls-pair;pin=27182818",
		"xmpp:b x@home.example?xtls-pair;pin=27182818",
		"xmpp:b%20x@home.example?xtls-pair;pin=27182818",
		"xmpp:BOX@home.example?xtls-pair;pin=27182818", // not prepared
		"xmpp:jiří@home.example?xtls-pair;pin=27182818",
		"xmpp://box@home.example?xtls-pair;pin=27182818",
		"xmpp:@home.example?xtls-pair;pin=27182818",
		"xmpp:box@?xtls-pair;pin=27182818",
		"xmpp:?xtls-pair;pin=27182818",
		"xmpp:" + strings.Repeat("%61", 3000) + "?xtls-pair;pin=27182818",
	} {
		bare, pin, err := ParseURI(uri)
		if err == nil {
			t.Errorf("ParseURI(%q) = %q, want an error", uri, bare)
			continue
		}
		if bare != "" || !pin.IsZero() && strings.Contains(err.Error(), "27182818") {
			t.Errorf("ParseURI(%q): %q with the error %v", uri, bare, err)
		}
		if strings.Contains(err.Error(), "27182818") {
			t.Errorf("the error about %q holds the PIN: %v", uri, err)
		}
	}
}

func TestFormatURIRefuses(t *testing.T) {
	if uri, err := FormatURI("box@home.example", PIN{}); err == nil {
		t.Errorf("without a PIN: %q", uri)
	}
	for _, bad := range []string{"", "box@home.example/lamp", "BOX@home.example", "a@b@c", "box@"} {
		if uri, err := FormatURI(bad, mustPIN(t, "27182818")); err == nil {
			t.Errorf("of the JID %q: %q", bad, uri)
		}
	}
}
