package goxmpp

import "testing"

// The examples of RFC 4013 §3 that are not refused, and what a keyboard may make of an umlaut.
func TestPasswordIsPrepared(t *testing.T) {
	for in, want := range map[string]string{
		"I\u00adX": "IX", "user": "user", "USER": "USER", "\u00aa": "a", "\u2168": "IX",
		"u\u0308": "\u00fc", "a\u00a0b": "a b", "": "",
	} {
		if got := prepared(in); got != want {
			t.Errorf("%q is prepared as %q, want %q", in, got, want)
		}
	}
}

// The library hashes a password as it is typed.
func TestPreparedPasswordLogsIn(t *testing.T) {
	s := newServer(t, &server{})
	cfg := s.config("romeo")
	cfg.Password = password("the\u00a0right pass\u00adword")
	connect(t, s, cfg)
}
