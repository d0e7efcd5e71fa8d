package agent

import (
	"path/filepath"
	"strings"
	"testing"

	"xtls-agent/owner"
	"xtls-agent/trust"
	"xtls-agent/xmpp/form"
	"xtls-agent/xtls"
)

// reopens opens a session on a link of its own, and says whether it was resumed.
func reopens(t *testing.T, b *box, keys *owner.Keyring, as string) (resumed bool) {
	t.Helper()
	o := dial(t, b, keys, as)
	defer o.Close()
	s, err := o.OpenDirect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	return strings.HasSuffix(s.Security(), ", resumed")
}

func (b *box) tickets() *xtls.Tickets {
	b.agent.lifeMu.Lock()
	defer b.agent.lifeMu.Unlock()
	return b.agent.life.tickets
}

// An owner's program resumes its sessions, on whatever link; a removal, of whomever, ends that: each proves his key again. Who
// was removed does not come back by a ticket, not even when he has been let in anew.
func TestRemovedOwnerNeverResumes(t *testing.T) {
	b := startBox(t, trust.NewMemStore(), "")
	adminKeys, guestKeys := newKeys(t, "admin"), newKeys(t, "guest")
	admin := pairOn(t, b, adminKeys, "romeo@phone")
	defer admin.Session.Close()
	letIn := func() (resumed bool) {
		t.Helper()
		if res, err := call(t, admin.Session, "pair", form.Values{"allow": {"juliet@phone"}}); err != nil || res.Failure != "" {
			t.Fatalf("%+v, %v", res, err)
		}
		guest := pairOn(t, b, guestKeys, "juliet@phone")
		defer guest.Session.Close()
		return strings.HasSuffix(guest.Session.Security(), ", resumed")
	}
	remove := func() {
		t.Helper()
		if res, err := call(t, admin.Session, "owners", form.Values{"remove": {"juliet@phone"}}); err != nil || res.Failure != "" {
			t.Fatalf("%+v, %v", res, err)
		}
	}
	letIn()
	if !reopens(t, b, adminKeys, "romeo@phone") || !reopens(t, b, guestKeys, "juliet@phone") || !reopens(t, b, guestKeys, "juliet@phone") {
		t.Error("a session was not resumed")
	}
	remove()
	if s, err := dial(t, b, guestKeys, "juliet@phone").OpenDirect(t.Context()); err == nil {
		s.Close()
		t.Error("the removed guest came back")
	}
	if reopens(t, b, adminKeys, "romeo@phone") {
		t.Error("a ticket from before the removal was taken")
	}
	if !reopens(t, b, adminKeys, "romeo@phone") {
		t.Error("after the removal nobody resumes")
	}
	if letIn() {
		t.Error("a guest who was let in anew resumed what she had before")
	}
	if !reopens(t, b, guestKeys, "juliet@phone") {
		t.Error("the new guest does not resume")
	}
}

// What a device knew before a wipe, or a restart, it does not resume: a wipe makes it another device, and tickets are in memory alone.
func TestNothingIsResumedByAnotherLife(t *testing.T) {
	store, keys := trust.NewMemStore(), newKeys(t, "phone")
	b := startBox(t, store, "")
	pairOn(t, b, keys, "romeo@phone").Session.Close()
	b.stop()
	b = startBox(t, store, "")
	if reopens(t, b, keys, "romeo@phone") {
		t.Error("a session was resumed after a restart")
	}
	if !reopens(t, b, keys, "romeo@phone") {
		t.Error("a session was not resumed")
	}
	given := b.tickets()
	if res, err := CallLocal(t.Context(), filepath.Join(b.runDir, socketName), "reset", nil); err != nil || res.Failure != "" {
		t.Fatalf("%+v, %v", res, err)
	}
	b.screen.lastPIN(t) // the next life has begun
	b.awaitLAN()
	if b.tickets() == given {
		t.Error("the tickets have outlived the wipe")
	}
	again := pairOn(t, b, keys, "romeo@phone")
	defer again.Session.Close()
	if strings.HasSuffix(again.Session.Security(), ", resumed") {
		t.Error("a session was resumed after a wipe")
	}
}

// A device that was forgotten and paired again proves its key again.
func TestForgottenDeviceIsNotResumed(t *testing.T) {
	b := startBox(t, trust.NewMemStore(), "")
	adminKeys, guestKeys := newKeys(t, "admin"), newKeys(t, "guest")
	admin := pairOn(t, b, adminKeys, "romeo@phone")
	defer admin.Session.Close()
	for i := range 2 {
		if res, err := call(t, admin.Session, "pair", form.Values{"allow": {"juliet@phone"}}); err != nil || res.Failure != "" {
			t.Fatalf("%+v, %v", res, err)
		}
		guest := pairOn(t, b, guestKeys, "juliet@phone")
		if strings.HasSuffix(guest.Session.Security(), ", resumed") {
			t.Errorf("pairing %d resumed a session", i)
		}
		device := guest.Session.Device()
		guest.Session.Close()
		if err := guestKeys.Forget(device); err != nil {
			t.Fatal(err)
		}
	}
}
