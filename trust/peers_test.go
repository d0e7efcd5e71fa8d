package trust

import (
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"mellium.im/xmpp/jid"
)

const ownersFile = "owners.json"

// cast makes records and keys for people, each with one certificate.
type cast struct {
	t    testing.TB
	ders map[string][]byte
}

func newCast(t testing.TB) *cast { return &cast{t, make(map[string][]byte)} }

// record is an enrolment of name, which is the localpart, or localpart/number for a further
// certificate of the same person.
func (c *cast) record(name string) Record {
	c.t.Helper()
	der, ok := c.ders[name]
	if !ok {
		der = testIdentity(c.t, name).DER()
		c.ders[name] = der
	}
	local, _, _ := strings.Cut(name, "/")
	return Record{
		JID: jid.MustParse(local + "@home.example"), Fingerprint: FingerprintOf(der), DER: der,
		Name: name, Created: testTime, Link: LAN,
	}
}

func (c *cast) key(name string) Key { return c.record(name).Key() }

// admittedBy is an enrolment in a window that an owner opened.
func (c *cast) admittedBy(by, name string) Record {
	r := c.record(name)
	r.AddedBy = c.key(by)
	return r
}

func load(t testing.TB, store Store, of Set) *Peers {
	t.Helper()
	p, err := LoadPeers(store, ownersFile, of)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func add(t testing.TB, p *Peers, r Record) {
	t.Helper()
	if err := p.AddProvisional(r); err != nil {
		t.Fatal(err)
	}
}

func confirm(t testing.TB, p *Peers, k Key, link Link) (Record, bool) {
	t.Helper()
	r, first, err := p.Confirm(k.JID, k.Fingerprint, link)
	if err != nil {
		t.Fatal(err)
	}
	return r, first
}

// enrol adds and confirms each of names.
func enrol(t testing.TB, p *Peers, records ...Record) {
	t.Helper()
	for _, r := range records {
		add(t, p, r)
		if _, first := confirm(t, p, r.Key(), LAN); !first {
			t.Fatalf("%s was confirmed already", r.Name)
		}
	}
}

// names lists the set: name, a plus for confirmed, a star for the admin.
func names(p *Peers) string {
	var out []string
	for _, r := range p.All() {
		s := r.Name
		if r.State == Confirmed {
			s += "+"
		}
		if r.Role == Admin {
			s += "*"
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

func listen(p *Peers) *[]string {
	var heard []string
	p.Subscribe(func(removed []Record) {
		for _, r := range removed {
			heard = append(heard, r.Name)
		}
	})
	return &heard
}

// TestEnrolment follows one owner from the PIN to the confirmation (DESIGN §3).
func TestEnrolment(t *testing.T) {
	c, store := newCast(t), &failingStore{MemStore: NewMemStore()}
	p := load(t, store, Owners)
	anna := c.record("anna")
	if _, ok := p.Trusted(anna.JID, anna.Fingerprint); ok || p.Owned() {
		t.Fatal("trusted before anything happened")
	}
	add(t, p, anna)
	for _, p := range []*Peers{p, load(t, store, Owners)} {
		r, ok := p.Trusted(anna.JID, anna.Fingerprint)
		if !ok || r.State != Provisional || p.Owned() || p.MayTryOnServer(anna.JID) {
			t.Errorf("provisional: %+v, owned %v", r, p.Owned())
		}
	}
	r, first := confirm(t, p, anna.Key(), Server)
	if !first || r.Role != Admin || r.State != Confirmed || !r.ServerProven {
		t.Errorf("confirmed: %+v, %v", r, first)
	}
	writes := store.writes
	if again, first := confirm(t, p, anna.Key(), Server); first || cmp.Diff(again, r, equalJID) != "" {
		t.Errorf("confirmed again: %+v, %v", again, first)
	}
	add(t, p, anna)
	if names(p) != "anna+*" {
		t.Errorf("pairing once more made it %q", names(p))
	}
	if store.writes != writes {
		t.Errorf("repetitions wrote %d times", store.writes-writes)
	}
	if diff := cmp.Diff(load(t, store, Owners).All(), p.All(), equalJID); diff != "" {
		t.Errorf("after a restart: %s", diff)
	}
}

var equalJID = cmp.Comparer(func(a, b jid.JID) bool { return a.Equal(b) })

// TestUnknownPeersAreNotConfirmed: a certificate that no PIN admitted stays unknown.
func TestUnknownPeersAreNotConfirmed(t *testing.T) {
	c := newCast(t)
	p := load(t, NewMemStore(), Owners)
	add(t, p, c.record("anna"))
	for _, k := range []Key{c.key("ben"), {c.key("anna").JID, c.key("ben").Fingerprint}, {c.key("ben").JID, c.key("anna").Fingerprint}, {}} {
		if _, _, err := p.Confirm(k.JID, k.Fingerprint, LAN); !errors.Is(err, ErrUnknownPeer) {
			t.Errorf("%v: %v", k, err)
		}
		if _, ok := p.Trusted(k.JID, k.Fingerprint); ok {
			t.Errorf("%v is trusted", k)
		}
	}
	if _, _, err := p.Confirm(c.key("anna").JID, c.key("anna").Fingerprint, "pigeon"); err == nil || p.Owned() {
		t.Error("confirmed over an unknown link")
	}
}

// TestOtherProvisionalsLapse: DESIGN §3, Enrolment: "they lapse when another is
// confirmed", and not when one of old is confirmed once more.
func TestOtherProvisionalsLapse(t *testing.T) {
	c := newCast(t)
	p := load(t, NewMemStore(), Owners)
	heard := listen(p)
	for _, n := range []string{"mallory", "anna", "anna/2"} {
		add(t, p, c.record(n))
	}
	confirm(t, p, c.key("anna"), LAN)
	if names(p) != "anna+*" || !slices.Equal(*heard, []string{"mallory", "anna/2"}) {
		t.Errorf("left %q, heard %q", names(p), *heard)
	}
	if _, _, err := p.Confirm(c.key("mallory").JID, c.key("mallory").Fingerprint, LAN); !errors.Is(err, ErrUnknownPeer) {
		t.Errorf("what lapsed was confirmed: %v", err)
	}
	add(t, p, c.record("ben"))
	confirm(t, p, c.key("anna"), LAN)
	confirm(t, p, c.key("anna"), Server)
	if names(p) != "anna+* ben" {
		t.Errorf("an owner's further session ended an enrolment: %q", names(p))
	}
}

// TestNewCertificateReplacesNone: DESIGN §4, "records are keyed by (bare JID, fingerprint)".
func TestNewCertificateReplacesNone(t *testing.T) {
	c := newCast(t)
	p := load(t, NewMemStore(), Owners)
	enrol(t, p, c.record("anna"), c.record("anna/2"))
	if len(p.ByJID(c.key("anna").JID)) != 2 {
		t.Errorf("records: %q", names(p))
	}
	for _, n := range []string{"anna", "anna/2"} {
		if r, ok := p.Trusted(c.key(n).JID, c.key(n).Fingerprint); !ok || r.Name != n {
			t.Errorf("%s: %v", n, ok)
		}
		if r, ok := p.Lookup(c.key(n).JID, Announce(c.key(n).Fingerprint)); !ok || r.Name != n {
			t.Errorf("%s by its SHA-256: %v", n, ok)
		}
		sum := sha1.Sum(c.record(n).DER)
		a, err := ParseAnnounced("", hex.EncodeToString(sum[:]))
		if err != nil {
			t.Fatal(err)
		}
		if r, ok := p.Lookup(c.key(n).JID, a); !ok || r.Name != n {
			t.Errorf("%s by its SHA-1: %v", n, ok)
		}
		if _, ok := p.Lookup(c.key("ben").JID, a); ok {
			t.Errorf("%s found under another JID", n)
		}
	}
	if _, ok := p.Lookup(c.key("anna").JID, Announced{}); ok {
		t.Error("nothing announced, something found")
	}
}

// TestServerRights: DESIGN §4, "a name learnt there gives no rights on the server link
// until x509 has succeeded from it there".
func TestServerRights(t *testing.T) {
	c, store := newCast(t), NewMemStore()
	p := load(t, store, Owners)
	anna := c.record("anna")
	anna.ServerProven, anna.Role, anna.State = true, Admin, Confirmed // a caller's mistake
	add(t, p, anna)
	if p.MayTryOnServer(anna.JID) || p.Owned() {
		t.Fatal("a provisional record has rights")
	}
	confirm(t, p, anna.Key(), LAN)
	if p.MayTryOnServer(anna.JID) {
		t.Error("a name learnt on the LAN has rights on the server")
	}
	if _, first := confirm(t, p, anna.Key(), Server); first || !p.MayTryOnServer(anna.JID) {
		t.Error("no rights after x509 over the server")
	}
	confirm(t, p, anna.Key(), LAN)
	if p = load(t, store, Owners); !p.MayTryOnServer(anna.JID) || p.MayTryOnServer(c.key("ben").JID) {
		t.Error("wrong after a restart")
	}
}

// TestStoredFirst: DESIGN §8.2, nothing takes effect unless it is on disk.
func TestStoredFirst(t *testing.T) {
	c := newCast(t)
	store := &failingStore{MemStore: NewMemStore()}
	p := load(t, store, Owners)
	enrol(t, p, c.record("anna"), c.record("ben"))
	add(t, p, c.record("carl"))
	heard, before := listen(p), p.All()
	store.write, store.remove = errors.New("disk full"), errors.New("disk broken")
	confirmCarl := func(k Key) func() error {
		return func() error { _, _, err := p.Confirm(k.JID, k.Fingerprint, Server); return err }
	}
	tests := map[string]func() error{
		"add":                    func() error { return p.AddProvisional(c.record("dora")) },
		"confirm":                confirmCarl(c.key("carl")),
		"prove on the server":    confirmCarl(c.key("anna")),
		"remove":                 func() error { return p.Remove(AtTheBox(), c.key("ben")) },
		"remove the provisional": func() error { return p.Remove(AtTheBox(), c.key("carl")) },
		"remove the admin":       func() error { return p.Remove(AtTheBox(), c.key("anna")) },
		"wipe":                   func() error { return p.Wipe(store) },
	}
	for name, change := range tests {
		if err := change(); !errors.Is(err, store.write) && !errors.Is(err, store.remove) {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(before, p.All(), equalJID); diff != "" {
			t.Errorf("%s took effect: %s", name, diff)
		}
	}
	if len(*heard) != 0 || p.MayTryOnServer(c.key("anna").JID) {
		t.Errorf("heard %q", *heard)
	}
}

func TestWipe(t *testing.T) {
	c, store := newCast(t), NewMemStore()
	p := load(t, store, Owners)
	enrol(t, p, c.record("anna"), c.record("ben"))
	add(t, p, c.record("carl"))
	heard := listen(p)
	if err := p.Wipe(store); err != nil {
		t.Fatal(err)
	}
	if p.Owned() || len(p.All()) != 0 || len(load(t, store, Owners).All()) != 0 {
		t.Errorf("left %q", names(p))
	}
	if !slices.Equal(*heard, []string{"anna", "ben", "carl"}) {
		t.Errorf("heard %q", *heard)
	}
	enrol(t, p, c.record("dora"))
	if names(p) != "dora+*" {
		t.Errorf("afterwards %q", names(p))
	}
}

// TestBounds: DESIGN §5, "unbounded anything".
func TestBounds(t *testing.T) {
	c, store := newCast(t), NewMemStore()
	p := load(t, store, Owners)
	enrol(t, p, c.record("anna"))
	heard := listen(p)
	for i := range MaxProvisional + 2 {
		add(t, p, c.record(fmt.Sprintf("mallory/%d", i)))
	}
	if len(p.All()) != 1+MaxProvisional || !slices.Equal(*heard, []string{"mallory/0", "mallory/1"}) {
		t.Errorf("left %q, heard %q", names(p), *heard)
	}
	for i := range MaxConfirmed - 1 {
		enrol(t, p, c.record(fmt.Sprintf("owner/%d", i)))
	}
	if err := p.AddProvisional(c.record("ben")); !errors.Is(err, ErrFull) {
		t.Errorf("one too many: %v", err)
	}
	if p = load(t, store, Owners); len(p.All()) != MaxConfirmed {
		t.Errorf("%d records", len(p.All()))
	}
}

func TestRecordsAreCopies(t *testing.T) {
	c := newCast(t)
	p := load(t, NewMemStore(), Owners)
	r := c.record("anna")
	add(t, p, r)
	want := p.All()
	r.DER = slices.Clone(r.DER)
	got, _ := p.Trusted(r.JID, r.Fingerprint)
	for _, x := range []Record{got, p.All()[0], p.ByJID(r.JID)[0]} {
		x.DER[0] ^= 1
	}
	if diff := cmp.Diff(want, p.All(), equalJID); diff != "" {
		t.Error(diff)
	}
}

func TestSubscription(t *testing.T) {
	c := newCast(t)
	p := load(t, NewMemStore(), Owners)
	enrol(t, p, c.record("anna"), c.record("ben"), c.record("carl"))
	calls := 0
	cancel := p.Subscribe(func(removed []Record) {
		calls++
		// It is durable and in effect by now.
		if _, ok := p.Trusted(removed[0].JID, removed[0].Fingerprint); ok {
			t.Error("still trusted when its sessions are ended")
		}
	})
	if err := p.Remove(AtTheBox(), c.key("ben")); err != nil || calls != 1 {
		t.Errorf("%v, %d calls", err, calls)
	}
	cancel()
	if err := p.Remove(AtTheBox(), c.key("carl")); err != nil || calls != 1 {
		t.Errorf("%v, %d calls", err, calls)
	}
}

func TestConcurrentUse(t *testing.T) {
	c, store := newCast(t), NewMemStore()
	p := load(t, store, Owners)
	enrol(t, p, c.record("anna"))
	var records []Record
	for i := range 8 {
		records = append(records, c.record(fmt.Sprintf("p%d", i)))
	}
	var wg sync.WaitGroup
	for _, r := range records {
		wg.Go(func() {
			for range 20 {
				if err := p.AddProvisional(r); err != nil {
					t.Error(err)
				}
				if _, _, err := p.Confirm(r.JID, r.Fingerprint, LAN); err != nil && !errors.Is(err, ErrUnknownPeer) {
					t.Error(err)
				}
				p.Owned()
				p.ByJID(r.JID)
				if err := p.Remove(AtTheBox(), r.Key()); err != nil && !errors.Is(err, ErrUnknownPeer) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if names(p) != "anna+*" || names(load(t, store, Owners)) != names(p) {
		t.Errorf("left %q", names(p))
	}
}
