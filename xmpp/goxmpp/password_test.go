package goxmpp

import "testing"

// The library hashes a password as it is typed.
func TestPreparedPasswordLogsIn(t *testing.T) {
	s := newServer(t, &server{})
	cfg := s.config("romeo")
	cfg.Password = password("the\u00a0right pass\u00adword")
	connect(t, s, cfg)
}
