package testpeer

import (
	"crypto/tls"
	"testing"
)

// Both servers take clients, show a certificate for their domain, and keep accounts over a restart.
func TestXMPPServers(t *testing.T) {
	for name, start := range map[string]func(testing.TB, XMPPOptions) *XMPPServer{"Prosody": Prosody, "Ejabberd": Ejabberd} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, XMPPOptions{})
			if jid, password := s.Account(t, "box"); jid != "box@home.test" || password == "" {
				t.Errorf("account %q", jid)
			}
			dialTLS(t, s)
			s.Stop(t)
			s.Start(t)
			dialTLS(t, s)
			s.Account(t, "owner")
			s.Kill(t)
			s.Start(t)
			dialTLS(t, s)
		})
	}
}

func dialTLS(t *testing.T, s *XMPPServer) {
	t.Helper()
	conn, err := tls.Dial("tcp", s.DirectAddr, &tls.Config{ServerName: s.Domain, RootCAs: s.Roots, NextProtos: []string{"xmpp-client"}})
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}
