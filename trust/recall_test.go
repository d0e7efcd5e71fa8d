package trust

import (
	"bytes"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"testing"
)

func keeping(store Store, of Set) Keeping {
	return Keeping{Store: store, File: ownersFile, Of: of, Name: "box", Now: testTime, Rand: rand.Reader}
}

// recall fails the test unless both halves are there.
func recall(t *testing.T, k Keeping) Recalled {
	t.Helper()
	r := Recall(k)
	if err := errors.Join(r.IdentityErr, r.PeersErr); err != nil || r.Identity == nil || r.Peers == nil {
		t.Fatalf("%+v", r)
	}
	return r
}

// lose makes a file of a MemStore as if it had never been.
func lose(t *testing.T, s Store, name string) {
	t.Helper()
	if err := s.Remove(name); err != nil {
		t.Fatal(err)
	}
}

// paired is a store in which somebody is an owner.
func paired(t *testing.T) (Keeping, Recalled) {
	t.Helper()
	k := keeping(NewMemStore(), Owners)
	r := recall(t, k)
	enrol(t, r.Peers, newCast(t).record("anna"))
	return k, r
}

// DESIGN §5, "locked, never unowned": whoever has an identity has a set of peers, so one that is missing was lost.
func TestLostPeersAreNotNoPeers(t *testing.T) {
	for name, pair := range map[string]bool{"with an owner": true, "never paired": false} {
		k, _ := paired(t)
		if !pair {
			k = keeping(NewMemStore(), Owners)
			recall(t, k)
		}
		lose(t, k.Store, ownersFile)
		for range 2 {
			if r := Recall(k); !errors.Is(r.PeersErr, ErrLost) || r.Peers != nil || r.IdentityErr != nil {
				t.Errorf("%s: %+v", name, r)
			}
		}
		if err := k.RenewPeers(); err != nil { // a person at the device
			t.Fatal(err)
		}
		if r := recall(t, k); r.Peers.Owned() {
			t.Errorf("%s: owned after the set was renewed", name)
		}
	}
}

// The other way round: no identity is made where there are peers who have pinned another.
func TestLostIdentityIsNotReplaced(t *testing.T) {
	k, before := paired(t)
	lose(t, k.Store, IdentityFile)
	for range 2 {
		r := Recall(k)
		if !errors.Is(r.IdentityErr, ErrLost) || r.Identity != nil || r.Peers == nil || !r.Peers.Owned() {
			t.Fatalf("%+v", r)
		}
	}
	if err := k.RenewIdentity(); err != nil {
		t.Fatal(err)
	}
	after := recall(t, k)
	if after.Identity.Fingerprint() == before.Identity.Fingerprint() || !after.Peers.Owned() {
		t.Error("the identity is the old one, or the owners are gone")
	}
}

// With both gone nothing is left of the device that anybody trusted: it is a new one, with a new identity.
func TestBothLostIsANewDevice(t *testing.T) {
	k, before := paired(t)
	lose(t, k.Store, ownersFile)
	lose(t, k.Store, IdentityFile)
	if after := recall(t, k); after.Peers.Owned() || after.Identity.Fingerprint() == before.Identity.Fingerprint() {
		t.Error("owned, or the same identity")
	}
}

// A state folder of the version before: the identity names no set, and a device that was never paired has none.
func TestUpgrade(t *testing.T) {
	for name, owned := range map[string]bool{"paired": true, "never paired": false} {
		store := NewMemStore()
		id, err := LoadIdentity(store, "box", testTime, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if owned {
			enrol(t, load(t, store, Owners), newCast(t).record("anna"))
		}
		full := &failingStore{MemStore: store, write: errors.New("disk full")}
		if r := recall(t, keeping(full, Owners)); r.Peers.Owned() != owned {
			t.Errorf("%s, disk full: %v", name, r.Peers.Owned())
		}
		for range 2 {
			r := recall(t, keeping(store, Owners))
			if r.Peers.Owned() != owned || r.Identity.Fingerprint() != id.Fingerprint() {
				t.Errorf("%s: %+v", name, r)
			}
		}
		lose(t, store, ownersFile)
		if r := Recall(keeping(store, Owners)); !errors.Is(r.PeersErr, ErrLost) {
			t.Errorf("%s, then lost: %+v", name, r)
		}
	}
}

// The version before reads what this one writes: it looks at the types of the PEM blocks, not at their headers.
func TestNamedIdentityIsPlainPEM(t *testing.T) {
	id := testIdentity(t, "box")
	named, err := id.marshal(ownersFile)
	if err != nil {
		t.Fatal(err)
	}
	certificate, rest := pem.Decode(named)
	key, rest := pem.Decode(rest)
	if certificate == nil || key == nil || len(rest) != 0 || certificate.Type != pemCertificate || key.Type != pemPrivateKey {
		t.Fatalf("not two blocks: %q", named)
	}
	if !bytes.Equal(certificate.Bytes, id.DER()) {
		t.Error("another certificate")
	}
}

// Nothing is begun that is not stored: neither half without room, and no identity before its set.
func TestBeginningIsStoredFirst(t *testing.T) {
	store := &failingStore{MemStore: NewMemStore(), write: errors.New("disk full")}
	if r := Recall(keeping(store, Owners)); !errors.Is(r.IdentityErr, ErrNotStored) || !errors.Is(r.IdentityErr, store.write) || r.Identity != nil {
		t.Errorf("%+v", r)
	}
	order := &writeOrder{Store: NewMemStore()}
	recall(t, keeping(order, Owners))
	if len(order.names) != 2 || order.names[0] != ownersFile || order.names[1] != IdentityFile {
		t.Errorf("written: %q", order.names)
	}
}

// writeOrder notes what is written.
type writeOrder struct {
	Store
	names []string
}

func (s *writeOrder) Write(name string, data []byte) error {
	s.names = append(s.names, name)
	return s.Store.Write(name, data)
}

// What cannot be read stays as it is until a person at the device says otherwise.
func TestRenewingRemovesWhatIsDamaged(t *testing.T) {
	k, _ := paired(t)
	damaged := &damagedStore{Store: k.Store, name: ownersFile}
	k.Store = damaged
	if r := Recall(k); !errors.Is(r.PeersErr, errDamaged) || r.IdentityErr != nil {
		t.Fatalf("%+v", r)
	}
	if err := k.RenewPeers(); err != nil {
		t.Fatal(err)
	}
	if r := recall(t, k); r.Peers.Owned() {
		t.Error("still owned")
	}
	damaged.name = IdentityFile
	if r := Recall(k); !errors.Is(r.IdentityErr, errDamaged) || r.PeersErr != nil {
		t.Fatalf("%+v", r)
	}
	if err := k.RenewIdentity(); err != nil {
		t.Fatal(err)
	}
	recall(t, k)
}

var errDamaged = errors.New("damaged")

// damagedStore holds one damaged file: it is neither read nor written over until it is removed.
type damagedStore struct {
	Store
	name string
}

func (s *damagedStore) Read(name string) ([]byte, error) {
	if name == s.name {
		return nil, errDamaged
	}
	return s.Store.Read(name)
}

func (s *damagedStore) Write(name string, data []byte) error {
	if name == s.name {
		return errDamaged
	}
	return s.Store.Write(name, data)
}

func (s *damagedStore) Remove(name string) error {
	if name == s.name {
		s.name = ""
	}
	return s.Store.Remove(name)
}
