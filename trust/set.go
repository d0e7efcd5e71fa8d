package trust

import (
	"fmt"
	"slices"

	"mellium.im/xmpp/jid"
)

// Set says what the peers of a set are to us.
type Set string

const (
	// Owners are a device's: they have roles, and one confirmation ends the other
	// enrolments.
	Owners Set = "owners"
	// Devices are a client's: they have no roles and nothing to do with each other.
	Devices Set = "devices"
)

// Bounds of a set. With the largest certificates a full set is still smaller than a
// Store accepts.
const (
	MaxConfirmed   = 64
	MaxProvisional = 8
)

// peerSet is a set of records as a value: its methods return changed copies, and leave
// the receiver as it was.
//
// First come the confirmed records in the order of their confirmation, then the
// provisional ones in the order of their arrival. The order does not depend on clocks.
type peerSet struct {
	of      Set
	records []Record
}

func (s peerSet) clone() peerSet {
	s.records = slices.Clone(s.records)
	return s
}

// index finds a record, or returns -1.
func (s peerSet) index(k Key) int {
	return slices.IndexFunc(s.records, func(r Record) bool { return r.Key().Equal(k) })
}

// missingIn returns the records that other does not have.
func (s peerSet) missingIn(other peerSet) []Record {
	return slices.DeleteFunc(slices.Clone(s.records), func(r Record) bool { return other.index(r.Key()) >= 0 })
}

// confirmed counts the confirmed records, which come first.
func (s peerSet) confirmed() int {
	for i, r := range s.records {
		if r.State != Confirmed {
			return i
		}
	}
	return len(s.records)
}

// isConfirmed reports whether k names a confirmed record.
func (s peerSet) isConfirmed(k Key) bool {
	i := s.index(k)
	return i >= 0 && s.records[i].State == Confirmed
}

// withProvisional adds r, which is not confirmed, or renews it if it is provisional
// already. When there are too many, the oldest provisional one is crowded out: each has
// proved a PIN, and enrolments that were given up must not block pairing for ever.
func (s peerSet) withProvisional(r Record) (next peerSet, removed []Record, err error) {
	next = s.clone()
	if i := next.index(r.Key()); i >= 0 {
		next.records = slices.Delete(next.records, i, i+1)
	}
	n := next.confirmed()
	if n >= MaxConfirmed {
		return s, nil, ErrFull
	}
	if !r.AddedBy.IsZero() && !next.isConfirmed(r.AddedBy) {
		return s, nil, fmt.Errorf("admitted by %s, who is no owner", r.AddedBy)
	}
	if len(next.records)-n >= MaxProvisional {
		removed = []Record{next.records[n]}
		next.records = slices.Delete(next.records, n, n+1)
	}
	r.State, r.Role, r.ServerProven = Provisional, next.role(1), false
	next.records = append(next.records, r)
	return next, removed, nil
}

// withConfirmed confirms the record at i, which is provisional. Among owners the other
// provisional ones lapse (DESIGN §3, Enrolment): somebody who proved a PIN once
// and never came back must not wake up later as an owner of what is now a
// stranger's device. They lapse at this step only, when a record becomes
// confirmed, and not when an owner of old opens one more session: that would break
// the enrolment that is under way.
func (s peerSet) withConfirmed(i int, link Link) (next peerSet, lapsed []Record, err error) {
	n := s.confirmed()
	if n >= MaxConfirmed {
		return s, nil, ErrFull
	}
	r := s.records[i]
	r.State, r.Role, r.ServerProven = Confirmed, s.role(n), link == Server
	others := slices.Delete(slices.Clone(s.records[n:]), i-n, i-n+1)
	next = peerSet{s.of, append(slices.Clone(s.records[:n]), r)}
	if s.of == Owners {
		return next, others, nil
	}
	next.records = append(next.records, others...)
	return next, nil, nil
}

// withName adds a further name of the confirmed record at i: bare, with the same certificate. What was provisional under
// that name is confirmed by it, since its key is proven.
func (s peerSet) withName(i int, bare jid.JID, name string) (next peerSet, err error) {
	if s.confirmed() >= MaxConfirmed {
		return s, ErrFull
	}
	r := s.records[i].clone()
	r.JID, r.Link, r.ServerProven = bare, LAN, false
	if name != "" {
		r.Name = name
	}
	next = s.clone()
	if j := next.index(r.Key()); j >= 0 {
		next.records = slices.Delete(next.records, j, j+1)
	}
	n := next.confirmed()
	if r.Role = next.role(n); s.of == Owners {
		r.AddedBy = s.records[i].Key()
	}
	next.records = slices.Insert(next.records, n, r)
	return next, nil
}

// without removes the record at i. Enrolments that it admitted and that are not yet
// confirmed go with it, and the further names of its certificate. Other confirmed owners whom it admitted stay, and count
// from now on as admitted by whoever admitted it. The first of the confirmed is the admin.
func (s peerSet) without(i int) (next peerSet, removed []Record) {
	gone := s.records[i]
	next.of = s.of
	for j, r := range s.records {
		admitted := r.AddedBy.Equal(gone.Key())
		switch {
		case j == i, admitted && (r.State == Provisional || r.Fingerprint == gone.Fingerprint):
			removed = append(removed, r)
			continue
		case admitted:
			r.AddedBy = gone.AddedBy
		}
		if r.State == Confirmed {
			r.Role = next.role(len(next.records))
		}
		next.records = append(next.records, r)
	}
	return next, removed
}

// role is that of the confirmed record in place i.
func (s peerSet) role(i int) Role {
	switch {
	case s.of != Owners:
		return ""
	case i == 0:
		return Admin
	}
	return Owner
}
