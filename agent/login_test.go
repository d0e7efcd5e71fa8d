package agent

import (
	"errors"
	"strings"
	"testing"

	"xtls-agent/internal/testpeer"
	"xtls-agent/xmpp"
)

// A login says what is wrong with it: the password, the certificate, the way to the server.
func TestTryLogin(t *testing.T) {
	server := testpeer.Prosody(t, testpeer.XMPPOptions{})
	account, password := server.Account(t, "box")
	x := &XMPPConfig{Server: server.Addr, CAFile: server.CAFile}
	if err := x.JID.UnmarshalText([]byte(account)); err != nil {
		t.Fatal(err)
	}
	if bound, err := TryLogin(t.Context(), x, password); err != nil || !strings.HasPrefix(bound, account+"/") {
		t.Errorf("%q, %v", bound, err)
	}
	if _, err := TryLogin(t.Context(), x, password+"x"); !Refused(err) {
		t.Errorf("with a wrong password: %v", err)
	}
	var cert *xmpp.CertificateError
	if _, err := TryLogin(t.Context(), &XMPPConfig{JID: x.JID, Server: x.Server}, password); !errors.As(err, &cert) || Refused(err) {
		t.Errorf("with a CA of its own: %v", err)
	}
	var nobody *xmpp.UnreachableError
	if _, err := TryLogin(t.Context(), &XMPPConfig{JID: x.JID, Server: "127.0.0.1:1"}, password); !errors.As(err, &nobody) || Refused(err) {
		t.Errorf("at a server that is not there: %v", err)
	}
	if _, err := TryLogin(t.Context(), &XMPPConfig{JID: x.JID, CAFile: "no-such-file"}, password); err == nil || !strings.Contains(err.Error(), "ca_file") {
		t.Errorf("with a CA file that is not there: %v", err)
	}
}
