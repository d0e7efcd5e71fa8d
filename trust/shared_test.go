package trust

import (
	"sync"
	"testing"
)

// sharedStore stands for a folder that several processes use.
type sharedStore struct {
	*MemStore
	lock sync.Mutex
}

func (s *sharedStore) Hold() (func(), error) {
	s.lock.Lock()
	return s.lock.Unlock, nil
}

// TestSharedStore: two processes that change one set lose nothing of each other's.
func TestSharedStore(t *testing.T) {
	store := &sharedStore{MemStore: NewMemStore()}
	c := newCast(t)
	fresh := func() *Peers { return load(t, store, Devices) }
	one, two := fresh(), fresh()
	a, b := c.record("a"), c.record("b")
	if err := one.AddProvisional(a); err != nil {
		t.Fatal(err)
	}
	if err := two.AddProvisional(b); err != nil {
		t.Fatal(err)
	}
	if got := len(fresh().All()); got != 2 {
		t.Fatalf("%d records, want both", got)
	}

	var gone []Record
	one.Subscribe(func(removed []Record) { gone = append(gone, removed...) })
	if err := two.Remove(AtTheBox(), a.Key()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := one.Confirm(b.JID, b.Fingerprint, LAN); err != nil {
		t.Fatal(err)
	}
	if len(gone) != 1 || !gone[0].JID.Equal(a.JID) {
		t.Errorf("the other's removal was told as %v", gone)
	}
	if _, _, err := one.Confirm(a.JID, a.Fingerprint, LAN); err == nil {
		t.Error("a record that another process removed came back")
	}
	if all := fresh().All(); len(all) != 1 || all[0].State != Confirmed {
		t.Errorf("left: %v", all)
	}
}
