package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"xtls-agent/internal/state"
	"xtls-agent/trust"
)

// DESIGN §5: damaged state is set aside, said loudly, and means locked, never unowned.
func TestDamagedMemoryIsLocked(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "state")
	open := func() *state.Dir {
		t.Helper()
		dir, err := state.Open(folder, nil)
		if err != nil {
			t.Fatal(err)
		}
		return dir
	}
	keys := newKeys(t, "phone")
	dir := open()
	b := startBox(t, dir, "")
	pairOn(t, b, keys, "romeo@phone").Session.Close()
	b.stop()
	_ = dir.Close()
	for _, file := range []string{"owners.a", "owners.b"} {
		path := filepath.Join(folder, file)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		data[len(data)-1] ^= 1
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // it stays so over restarts
		dir = open()
		b = startBox(t, dir, "")
		b.screen.waitFor(t, "memory is damaged")
		if pinOnScreen.MatchString(b.screen.String()) {
			t.Error("a damaged device shows a PIN")
		}
		b.stop()
		_ = dir.Close()
	}
	dir = open()
	defer dir.Close()
	b = startBox(t, dir, "")
	defer b.stop()
	b.screen.waitFor(t, "memory is damaged")
	identity, err := trust.LoadIdentity(dir, "", b.agent.started, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := CallLocal(t.Context(), filepath.Join(b.runDir, socketName), "pairing-unlock", nil); err != nil {
		t.Fatal(err)
	}
	b.screen.lastPIN(t)
	if after, err := trust.LoadIdentity(dir, "", b.agent.started, nil); err != nil || after.Fingerprint() != identity.Fingerprint() {
		t.Errorf("mending lost the identity, which was sound: %v", err)
	}
}

// DESIGN §4: the button held for 10 s wipes what the device has learnt, and the identity key.
func TestWipe(t *testing.T) {
	store, keys := trust.NewMemStore(), newKeys(t, "phone")
	b := startBox(t, store, "")
	p := pairOn(t, b, keys, "romeo@phone")
	before, err := trust.LoadIdentity(store, "", b.agent.started, nil)
	if err != nil {
		t.Fatal(err)
	}
	old := b.screen.lastPIN(t)
	press(t, b, "hold 10")
	b.screen.lastPIN(t, old) // unowned: a window opens
	<-p.Session.Done()
	after, err := trust.LoadIdentity(store, "", b.agent.started, nil)
	if err != nil || after.Fingerprint() == before.Fingerprint() {
		t.Errorf("the identity survived the wipe: %v", err)
	}
	b.awaitLAN()
	if _, err := dial(t, b, keys, "romeo@phone").OpenDirect(t.Context()); err == nil || !strings.Contains(err.Error(), "reset") {
		t.Errorf("the owner of before hears: %v", err)
	}
}
