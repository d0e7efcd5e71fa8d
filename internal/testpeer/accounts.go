package testpeer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// SetPassword changes an account's password at the server, behind the back of whoever is logged in.
func (s *XMPPServer) SetPassword(t testing.TB, user, password string) {
	t.Helper()
	s.backend.setPassword(t, s, user, password)
}

// RevokeTokens takes back what an account was given to log in by (XEP-0484); an ejabberd takes back everybody's. There must be such.
func (s *XMPPServer) RevokeTokens(t testing.TB, user string) {
	t.Helper()
	if err := s.backend.revokeTokens(s, user); err != nil {
		t.Fatalf("testpeer: revoking tokens: %v", err)
	}
}

// setPassword is what prosodyctl does for an account that is there.
func (p *prosody) setPassword(t testing.TB, s *XMPPServer, user, password string) {
	t.Helper()
	p.register(t, s, user, password)
}

// revokeTokens removes what Prosody reads anew for each login.
func (p *prosody) revokeTokens(s *XMPPServer, user string) error {
	return os.Remove(p.stored(s.Domain, "fast_tokens", user))
}

// stored is a file of an account.
func (p *prosody) stored(domain, store, user string) string {
	return filepath.Join(p.dir, "data", strings.NewReplacer(".", "%2e", "-", "%2d").Replace(domain), store, user+".dat")
}

// setPassword asks ejabberd to.
func (e *ejabberd) setPassword(t testing.TB, s *XMPPServer, user, password string) {
	t.Helper()
	if _, err := e.command("change_password", map[string]string{"user": user, "host": s.Domain, "newpass": password}); err != nil {
		t.Fatal(err)
	}
}

func (e *ejabberd) revokeTokens(s *XMPPServer, _ string) error {
	return s.process.evaluate("true = mnesia:table_info(mod_auth_fast, size) > 0, mnesia:clear_table(mod_auth_fast)", "{atomic,ok}")
}
