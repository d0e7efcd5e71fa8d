package trust

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"
)

// ErrNotStored: what was to be remembered could not be stored. Nothing has changed; there may be room again later.
var ErrNotStored = errors.New("cannot be stored")

// ErrLost: something is missing that was there. It is damage, and means locked.
var ErrLost = errors.New("is missing, although it was there")

// Keeping says where and how a program keeps what it knows of itself and of others.
type Keeping struct {
	Store Store
	File  string // the name of the set of peers in Store
	Of    Set
	Name  string // of a new identity
	Now   time.Time
	Rand  io.Reader
}

// Recalled is what a program knows. Of each half there is the half, or why there is none.
type Recalled struct {
	Identity    *Identity
	IdentityErr error
	Peers       *Peers
	PeersErr    error
}

// Recall reads the identity and the set of peers. The first time it makes both: the empty set first, then the
// identity, which names the set from then on. So whoever has an identity has a set, if an empty one, and a set that
// is missing beside its identity was lost: [ErrLost], never "nobody is trusted". Neither is an identity made where
// there are peers who have pinned another.
//
// An identity of an older version names no set. A device that was never paired had none then, so it gets its empty
// set and its identity the name, once; until that is stored a missing set counts as empty, as it did before.
//
// Errors, of either half: [ErrLost], [ErrNotStored], what the store says when it cannot read.
func Recall(k Keeping) Recalled {
	id, names, idErr := readIdentity(k.Store)
	set, stored, setErr := readSet(k.Store, k.File, k.Of)
	made := errors.Is(idErr, fs.ErrNotExist)
	switch {
	case made && setErr == nil && len(set.records) == 0:
		id, idErr = k.begin(stored)
	case made:
		idErr = fmt.Errorf("trust: %s %w", IdentityFile, ErrLost)
	case idErr == nil && setErr == nil && names == "":
		// A failure is no reason to fail: it is tried again at the next start.
		_ = k.upgrade(id, stored)
	case idErr == nil && setErr == nil && !stored:
		setErr = fmt.Errorf("trust: %s %w", k.File, ErrLost)
	}
	r := Recalled{Identity: id, IdentityErr: idErr, PeersErr: setErr}
	if setErr == nil {
		r.Peers = newPeers(k.Store, k.File, set)
	}
	return r
}

// begin makes what a new program needs.
func (k Keeping) begin(stored bool) (*Identity, error) {
	if !stored {
		if err := k.storeEmptySet(k.Store); err != nil {
			return nil, err
		}
	}
	return k.storeNewIdentity()
}

// upgrade makes what an older version has left what this one would have made.
func (k Keeping) upgrade(id *Identity, stored bool) error {
	if !stored {
		if err := k.storeEmptySet(k.Store); err != nil {
			return err
		}
	}
	return k.storeIdentity(id)
}

// RenewPeers makes the stored set an empty one, whatever is there. A person at the device asks for it.
func (k Keeping) RenewPeers() error { return k.storeEmptySet(k.Store) }

// RenewIdentity makes a new identity in the place of the one that cannot be read. A person at the device asks for it.
func (k Keeping) RenewIdentity() error {
	if err := removeUnreadable(k.Store, IdentityFile); err != nil {
		return err
	}
	_, err := k.storeNewIdentity()
	return err
}

func (k Keeping) storeNewIdentity() (*Identity, error) {
	id, err := NewIdentity(k.Name, k.Now, k.Rand)
	if err != nil {
		return nil, err
	}
	if err := k.storeIdentity(id); err != nil {
		return nil, err
	}
	return id, nil
}

func (k Keeping) storeIdentity(id *Identity) error {
	text, err := id.marshal(k.File)
	if err != nil {
		return err
	}
	return store(k.Store, IdentityFile, text)
}

func (k Keeping) storeEmptySet(s Store) error { return storeEmptySet(s, k.File, k.Of) }

// storeEmptySet forgets everybody, durably. The set is written and not removed: it must not be missing at any moment.
func storeEmptySet(s Store, file string, of Set) error {
	b, err := peerSet{of: of}.marshal()
	if err != nil {
		return err
	}
	if err := removeUnreadable(s, file); err != nil {
		return err
	}
	return store(s, file, b)
}

// removeUnreadable removes a file that cannot be read: a store does not write over what is damaged.
func removeUnreadable(s Store, file string) error {
	_, err := s.Read(file)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := s.Remove(file); err != nil {
		return notStored(file, err)
	}
	return nil
}

func store(s Store, file string, content []byte) error {
	if err := s.Write(file, content); err != nil {
		return notStored(file, err)
	}
	return nil
}

func notStored(file string, err error) error {
	return fmt.Errorf("trust: %s %w: %w", file, ErrNotStored, err)
}
