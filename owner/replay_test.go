package owner

import (
	"crypto/rand"
	"errors"
	"slices"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/internal/state"
	"xtls-agent/internal/state/statetest"
	"xtls-agent/trust"
)

// openKeyring reads the keyring in a folder.
func openKeyring(t *testing.T, m *statetest.FS) (*Keyring, *state.Dir, error) {
	t.Helper()
	dir, err := state.Open("/folder", m)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := LoadKeyring(dir, "phone", time.Now(), rand.Reader)
	return keys, dir, err
}

// heldAs says what a folder knows after a power cut of the one device there is, and as whom.
func heldAs(t *testing.T, files map[string][]byte) (held string, self trust.Fingerprint) {
	t.Helper()
	keys, dir, err := openKeyring(t, statetest.New(files))
	defer dir.Close()
	if err != nil {
		return err.Error(), trust.Fingerprint{}
	}
	for _, d := range keys.Devices.All() {
		held += string(d.State)
	}
	return held, keys.Identity.Fingerprint()
}

// DESIGN §5 on the owner's side: whatever moment the power fails at, he holds the device as before or as afterwards, with
// the identity that it pinned.
func TestPowerCutAtEveryMomentOfAnOwner(t *testing.T) {
	m := statetest.New(nil)
	keys, dir, err := openKeyring(t, m)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	device, err := trust.NewIdentity("box", time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	box := jid.MustParse("box@home.example")
	record := trust.Record{JID: box, DER: device.DER(), Created: time.Now(), Link: trust.LAN}
	steps := []struct {
		do   func() error
		then string
	}{
		{func() error { return nil }, ""}, // the keyring itself, which is there already
		{func() error { return keys.Devices.AddProvisional(record) }, "provisional"},
		{func() error { _, _, err := keys.Devices.Confirm(box, device.Fingerprint(), trust.LAN); return err }, "confirmed"},
		{func() error { return keys.Forget(keys.Devices.All()[0]) }, ""},
	}
	from, before := 0, ""
	for _, s := range steps {
		if err := s.do(); err != nil {
			t.Fatal(err)
		}
		for n := from; n <= m.Count(); n++ {
			allowed := []string{before, s.then}
			if n == m.Count() {
				allowed = []string{s.then}
			}
			for _, files := range statetest.PowerCuts(nil, m.Ops()[:n]) {
				held, self := heldAs(t, files)
				if !slices.Contains(allowed, held) || held != "" && self != keys.Identity.Fingerprint() {
					t.Fatalf("after %d operations he holds the device as %q, want one of %q", n, held, allowed)
				}
			}
		}
		from, before = m.Count()+1, s.then
	}
	if from < 40 {
		t.Errorf("only %d operations", from)
	}
}

// A list of devices that vanished is no empty one, and no identity is made where devices have pinned another.
func TestLostKeyring(t *testing.T) {
	m := statetest.New(nil)
	keys, dir, err := openKeyring(t, m)
	if err != nil {
		t.Fatal(err)
	}
	device, err := trust.NewIdentity("box", time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	record := trust.Record{JID: jid.MustParse("box@home.example"), DER: device.DER(), Created: time.Now(), Link: trust.LAN}
	if err := errors.Join(keys.Devices.AddProvisional(record), dir.Close()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{devicesFile, trust.IdentityFile} {
		files := m.Files()
		delete(files, name+".a")
		delete(files, name+".b")
		keys, dir, err := openKeyring(t, statetest.New(files))
		if !errors.Is(err, ErrLost) || keys != nil {
			t.Errorf("without %s: %v, %v", name, keys, err)
		}
		_ = dir.Close()
	}
}
