package trust

import (
	"errors"
	"fmt"
)

// Actor is who asks for a removal. The zero Actor is nobody and may do nothing, so
// that one who forgets to say who asks gets no rights by it.
type Actor struct {
	box bool
	key Key
}

// AtTheBox is somebody who stands at the device: its button, its local socket. For a
// set of devices it is the person who uses this program.
func AtTheBox() Actor { return Actor{box: true} }

// ByPeer is the peer of an x509 session.
func ByPeer(k Key) Actor { return Actor{key: k} }

func (a Actor) String() string {
	switch {
	case a.box:
		return "somebody at the box"
	case a.key.IsZero():
		return "nobody"
	}
	return a.key.String()
}

// ErrUnknownPeer: there is no such record.
var ErrUnknownPeer = errors.New("no such peer")

// ErrFull: there are as many confirmed peers as there may be.
var ErrFull = fmt.Errorf("%d peers are trusted already; remove one first", MaxConfirmed)

// Refusal is why a removal was refused.
type Refusal string

const (
	// RefusedNotAnOwner: the actor is nobody, or no confirmed owner.
	RefusedNotAnOwner Refusal = "only an owner can remove owners"
	// RefusedLastOwner: the device would be unowned.
	RefusedLastOwner Refusal = "the last owner can be removed only at the device itself"
	// RefusedAdmin: the target is the admin.
	RefusedAdmin Refusal = "the admin can be removed only at the device itself"
	// RefusedNotYours: the actor did not admit the target.
	RefusedNotYours Refusal = "an owner can remove only itself and whom it admitted; ask the admin"
)

// RefusedError says why a removal was refused (DESIGN §4, "Roles").
type RefusedError struct {
	Reason Refusal
	By     Actor
	Target Key
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("trust: %s may not be removed by %s: %s", e.Target, e.By, e.Reason)
}

// mayRemove judges a removal by DESIGN §4, "Roles". The empty Refusal is consent.
func (s peerSet) mayRemove(by Actor, target Record) Refusal {
	if by.box {
		return ""
	}
	switch {
	case s.of != Owners || !s.isConfirmed(by.key):
		return RefusedNotAnOwner
	case target.State == Confirmed && s.confirmed() == 1:
		return RefusedLastOwner
	case target.Role == Admin:
		return RefusedAdmin
	case s.records[s.index(by.key)].Role == Admin, target.Key().Equal(by.key), s.admitted(by.key, target):
		return ""
	}
	return RefusedNotYours
}

// admitted reports whether the owner named by admitted target, directly or through
// others.
func (s peerSet) admitted(by Key, target Record) bool {
	for range s.records { // no chain is longer
		if target.AddedBy.IsZero() {
			return false
		}
		if target.AddedBy.Equal(by) {
			return true
		}
		i := s.index(target.AddedBy)
		if i < 0 {
			return false
		}
		target = s.records[i]
	}
	return false
}
