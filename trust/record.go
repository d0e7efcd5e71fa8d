package trust

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"mellium.im/xmpp/jid"
)

// State is how far a record has come.
type State string

const (
	// Provisional: the peer proved the PIN and gave its certificate.
	Provisional State = "provisional"
	// Confirmed: it has since proved the certificate's key, too.
	Confirmed State = "confirmed"
)

// Role is what an owner is among the owners. Records of devices have no role.
type Role string

const (
	// Admin is the owner who was confirmed first.
	Admin Role = "admin"
	// Owner is every other owner.
	Owner Role = "owner"
)

// Link is the kind of link over which something was learnt.
type Link string

const (
	// LAN: a JID there is a claim that nobody checked (DESIGN §4).
	LAN Link = "lan"
	// Server: the JID was checked by a server.
	Server Link = "server"
)

// Key names a record: a bare JID and the fingerprint of one certificate.
type Key struct {
	JID         jid.JID
	Fingerprint Fingerprint
}

// IsZero reports whether k names nobody.
func (k Key) IsZero() bool { return k.Fingerprint.IsZero() && k.JID.Equal(jid.JID{}) }

// Equal reports whether both name the same record.
func (k Key) Equal(o Key) bool { return k.Fingerprint == o.Fingerprint && k.JID.Equal(o.JID) }

func (k Key) String() string { return fmt.Sprintf("%s (%s)", k.JID, k.Fingerprint) }

// Record is what is known of one trusted peer. It holds no secret.
type Record struct {
	JID         jid.JID // bare
	Fingerprint Fingerprint
	DER         []byte // the pinned certificate
	Name        string // for people; see CleanName
	State       State
	Role        Role // of owners; empty for devices
	// AddedBy is the owner who admitted this one. The zero Key: somebody at the box.
	AddedBy Key
	Created time.Time // by a clock that may have been wrong
	Link    Link      // where it was learnt
	// ServerProven: x509 has succeeded from this JID over a server link, which
	// has checked the JID.
	ServerProven bool
}

// Key returns the record's key.
func (r Record) Key() Key { return Key{r.JID, r.Fingerprint} }

func (r Record) clone() Record {
	r.DER = slices.Clone(r.DER)
	return r
}

// maxName is the length of a name in characters. It is also the bound of a common
// name (RFC 5280, ub-common-name).
const maxName = 64

// CleanName makes text of a person or a peer fit for a display, a terminal and a
// certificate: valid UTF-8, one line, nothing that moves a cursor or turns the
// direction of writing, at most 64 characters.
func CleanName(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == unicode.ReplacementChar:
			return -1
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, s)
	runes := []rune(strings.Join(strings.Fields(s), " "))
	return strings.TrimSpace(string(runes[:min(len(runes), maxName)]))
}
