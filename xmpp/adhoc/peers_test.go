package adhoc_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"mellium.im/xmpp/jid"

	"xtls-agent/internal/testpeer"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/adhoc"
	"xtls-agent/xmpp/form"
	"xtls-agent/xmpp/internal/peerlink"
)

// Prosody's commands for admins: forms of several types, notes and results.
func TestOnProsody(t *testing.T) {
	server := testpeer.Prosody(t, testpeer.XMPPOptions{})
	admin, password := server.Account(t, "admin")
	a := peerlink.Session(t, server, admin, password, nil)
	domain := jid.MustParse(server.Domain)
	const prefix = "http://jabber.org/protocol/admin#"

	items, err := adhoc.List(t.Context(), a, domain)
	if err != nil || len(items) < 10 {
		t.Fatalf("%v, %v", items, err)
	}
	got, err := adhoc.Execute(t.Context(), a, domain, prefix+"get-online-users-list", fill(form.Values{"max_items": {"25"}}))
	if err != nil || got.Status != adhoc.Completed || got.Form.About() != "http://jabber.org/protocol/admin" ||
		!slices.Contains(got.Form.Field("onlineuserjids").Values, admin) {
		t.Errorf("%+v, %v", got, err)
	}
	user := form.Values{"accountjid": {"bob@" + server.Domain}, "password": {"secret"}, "password-verify": {"other"}}
	if got, err = adhoc.Execute(t.Context(), a, domain, prefix+"add-user", fill(user)); err != nil || !got.Failed() {
		t.Errorf("passwords that differ: %+v, %v", got, err)
	}
	user["password-verify"] = user["password"]
	if got, err = adhoc.Execute(t.Context(), a, domain, prefix+"add-user", fill(user)); err != nil || got.Failed() {
		t.Errorf("%+v, %v", got, err)
	}
	bob := peerlink.Session(t, server, "bob@"+server.Domain, "secret", nil) // the command did what it says
	var xe *xmpp.Error
	if _, err = adhoc.Execute(t.Context(), bob, domain, prefix+"add-user", fill(user)); !errors.As(err, &xe) {
		t.Errorf("somebody who is no admin: %v", err)
	}
}

func TestOnEjabberd(t *testing.T) {
	server := testpeer.Ejabberd(t, testpeer.XMPPOptions{})
	alice, password := server.Account(t, "alice")
	a := peerlink.Session(t, server, alice, password, nil)
	domain := jid.MustParse(server.Domain)
	items, err := adhoc.List(t.Context(), a, domain)
	if err != nil || len(items) != 1 || items[0].Node != "ping" {
		t.Fatalf("%v, %v", items, err)
	}
	got, err := adhoc.Execute(t.Context(), a, domain, "ping", nil)
	if err != nil || got.Status != adhoc.Completed || len(got.Notes) != 1 || !strings.Contains(got.Notes[0].Text, "Pong") {
		t.Errorf("%+v, %v", got, err)
	}
}
