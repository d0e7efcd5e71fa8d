package agent

import (
	"strings"
	"testing"
	"time"

	"xtls-agent/owner"
	"xtls-agent/trust"
	"xtls-agent/xmpp/form"
)

func call(t *testing.T, s *owner.Session, command string, v form.Values) (owner.Result, error) {
	t.Helper()
	return s.Call(t.Context(), command, func(*owner.Form) (owner.Values, error) { return v, nil })
}

// DESIGN §4, Roles: a guest is no admin; removal ends open sessions; every owner is told of each new one.
func TestSecondOwner(t *testing.T) {
	b := startBox(t, trust.NewMemStore(), "")
	adminKeys, guestKeys := newKeys(t, "admin"), newKeys(t, "guest")
	admin := pairOn(t, b, adminKeys, "romeo@phone")
	defer admin.Session.Close()
	if res, err := call(t, admin.Session, "pair", form.Values{"allow": {"juliet@phone"}}); err != nil || res.Failure != "" {
		t.Fatalf("%+v, %v", res, err)
	}
	news := make(chan string, 4)
	guest := pairOn(t, b, guestKeys, "juliet@phone")
	defer guest.Session.Close()

	if res, err := call(t, guest.Session, "owners", form.Values{"remove": {"romeo@phone"}}); err != nil || !strings.Contains(res.Failure, "admin") {
		t.Errorf("a guest removed the admin: %+v, %v", res, err)
	}
	// Whoever has no session is told when he comes the next time.
	admin.Session.Close()
	third := newKeys(t, "third")
	if res, err := call(t, guest.Session, "pair", form.Values{"allow": {"tybalt@phone"}}); err != nil || res.Failure != "" {
		t.Fatalf("%+v, %v", res, err)
	}
	pairOn(t, b, third, "tybalt@phone").Session.Close()
	link := dialWith(t, b, adminKeys, "romeo@phone", owner.Config{News: func(_ owner.Device, line string) { news <- line }})
	again, err := link.OpenDirect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	for line := ""; !strings.Contains(line, "tybalt@phone"); { // what he was told without an answer comes once more
		select {
		case line = <-news:
		case <-time.After(5 * time.Second):
			t.Fatal("the admin was not told of the new owner")
		}
	}
	if res, err := call(t, again, "owners", form.Values{"remove": {"juliet@phone"}}); err != nil || res.Failure != "" {
		t.Fatalf("%+v, %v", res, err)
	}
	select {
	case <-guest.Session.Done():
	case <-time.After(5 * time.Second):
		t.Error("the removed guest's session goes on")
	}
	if _, err := dial(t, b, guestKeys, "juliet@phone").OpenDirect(t.Context()); err == nil {
		t.Error("the removed guest came back")
	}
}

func TestOwnerRemovesHimself(t *testing.T) {
	b := startBox(t, trust.NewMemStore(), "")
	admin := pairOn(t, b, newKeys(t, "admin"), "romeo@phone")
	defer admin.Session.Close()
	if _, err := call(t, admin.Session, "pair", form.Values{"allow": {"juliet@phone"}}); err != nil {
		t.Fatal(err)
	}
	guest := pairOn(t, b, newKeys(t, "guest"), "juliet@phone")
	defer guest.Session.Close()
	if res, err := call(t, guest.Session, "owners", form.Values{"remove": {"juliet@phone"}}); err != nil || res.Failure != "" {
		t.Errorf("%+v, %v", res, err)
	}
	if res, err := call(t, admin.Session, "owners", form.Values{"remove": {"romeo@phone"}}); err != nil || res.Failure == "" {
		t.Errorf("the last owner, the admin, left from afar: %+v, %v", res, err)
	}
}
