package trust

import (
	"crypto/rand"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

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

// TestRoles is the table of DESIGN §4, "Roles". anna is the admin; she admitted ben;
// ben admitted carl, who admitted dora; anna admitted emil.
func TestRoles(t *testing.T) {
	c := newCast(t)
	actors := map[string]Actor{
		"nobody": {}, "box": AtTheBox(), "stranger": ByPeer(c.key("stranger")),
		"provisional": ByPeer(c.key("fritz")), "stolen JID": ByPeer(Key{c.key("anna").JID, c.key("ben").Fingerprint}),
	}
	people := []string{"anna", "ben", "carl", "dora", "emil"}
	for _, n := range people {
		actors[n] = ByPeer(c.key(n))
	}
	want := map[string]map[string]Refusal{
		"box":         {},
		"anna":        {"anna": RefusedAdmin},
		"ben":         {"anna": RefusedAdmin, "emil": RefusedNotYours},
		"carl":        {"anna": RefusedAdmin, "ben": RefusedNotYours, "emil": RefusedNotYours, "fritz": RefusedNotYours},
		"dora":        {"anna": RefusedAdmin, "ben": RefusedNotYours, "carl": RefusedNotYours, "emil": RefusedNotYours, "fritz": RefusedNotYours},
		"emil":        {"anna": RefusedAdmin, "ben": RefusedNotYours, "carl": RefusedNotYours, "dora": RefusedNotYours, "fritz": RefusedNotYours},
		"nobody":      nil,
		"stranger":    nil,
		"provisional": nil,
		"stolen JID":  nil,
	}
	for name, by := range actors {
		for _, target := range append(people, "fritz") {
			store := NewMemStore()
			p := load(t, store, Owners)
			enrol(t, p, c.record("anna"), c.admittedBy("anna", "ben"), c.admittedBy("ben", "carl"),
				c.admittedBy("carl", "dora"), c.admittedBy("anna", "emil"))
			add(t, p, c.admittedBy("ben", "fritz"))
			reason := want[name][target]
			if want[name] == nil {
				reason = RefusedNotAnOwner
			}
			before := names(p)
			err := p.Remove(by, c.key(target))
			checkRemoval(t, p, name, c.record(target), before, reason, err)
			if names(load(t, store, Owners)) != names(p) {
				t.Errorf("%s removes %s: not as on disk", name, target)
			}
		}
	}
}

func checkRemoval(t *testing.T, p *Peers, by string, target Record, before string, want Refusal, err error) {
	t.Helper()
	var refused *RefusedError
	_, there := p.Trusted(target.JID, target.Fingerprint)
	switch {
	case want == "" && (err != nil || there):
		t.Errorf("%s removes %s: %v, still there: %v", by, target.Name, err, there)
	case want != "" && (!errors.As(err, &refused) || refused.Reason != want || names(p) != before):
		t.Errorf("%s removes %s: %v, want %q; left %q", by, target.Name, err, want, names(p))
	}
}

// TestLastOwnerGoesOnlyAtTheBox: DESIGN §4, "the admin, and the last owner, go only at
// the box".
func TestLastOwnerGoesOnlyAtTheBox(t *testing.T) {
	c := newCast(t)
	p := load(t, NewMemStore(), Owners)
	enrol(t, p, c.record("anna"))
	add(t, p, c.admittedBy("anna", "ben")) // provisional: does not count
	var refused *RefusedError
	if err := p.Remove(ByPeer(c.key("anna")), c.key("anna")); !errors.As(err, &refused) || refused.Reason != RefusedLastOwner {
		t.Errorf("got %v", err)
	}
	if err := p.Remove(AtTheBox(), c.key("anna")); err != nil || p.Owned() {
		t.Errorf("at the box: %v", err)
	}
	if err := p.Remove(AtTheBox(), c.key("anna")); !errors.Is(err, ErrUnknownPeer) {
		t.Errorf("once more: %v", err)
	}
}

// TestAfterARemoval: who was admitted by the removed counts as admitted by whoever admitted it;
// its unfinished enrolments end; the next in order is the admin.
func TestAfterARemoval(t *testing.T) {
	c, store := newCast(t), NewMemStore()
	p := load(t, store, Owners)
	enrol(t, p, c.record("anna"), c.admittedBy("anna", "ben"), c.admittedBy("ben", "carl"), c.admittedBy("carl", "dora"))
	add(t, p, c.admittedBy("carl", "carl/2"))
	heard := listen(p)
	if err := p.Remove(ByPeer(c.key("ben")), c.key("carl")); err != nil {
		t.Fatal(err)
	}
	if names(p) != "anna+* ben+ dora+" || !slices.Equal(*heard, []string{"carl", "carl/2"}) {
		t.Errorf("left %q, heard %q", names(p), *heard)
	}
	if r, _ := p.Trusted(c.key("dora").JID, c.key("dora").Fingerprint); !r.AddedBy.Equal(c.key("ben")) {
		t.Errorf("dora counts as admitted by %v", r.AddedBy)
	}
	if err := p.Remove(AtTheBox(), c.key("anna")); err != nil {
		t.Fatal(err)
	}
	if names(p) != "ben+* dora+" || names(load(t, store, Owners)) != names(p) {
		t.Errorf("without the admin: %q", names(p))
	}
	if r, _ := p.Trusted(c.key("ben").JID, c.key("ben").Fingerprint); !r.AddedBy.IsZero() {
		t.Errorf("ben counts as admitted by %v", r.AddedBy)
	}
	// A removed owner admits nobody, through a window that was open still.
	if err := p.AddProvisional(c.admittedBy("carl", "carl/3")); err == nil {
		t.Error("a removed owner admitted somebody")
	}
}

// TestDevicesHaveNoRoles: a client may pair with two devices at a time, and forget any.
func TestDevicesHaveNoRoles(t *testing.T) {
	c, store := newCast(t), NewMemStore()
	p := load(t, store, Devices)
	add(t, p, c.record("lamp"))
	add(t, p, c.record("heater"))
	if r, first := confirm(t, p, c.key("heater"), LAN); !first || r.Role != "" {
		t.Errorf("%+v, %v", r, first)
	}
	if names(p) != "heater+ lamp" || names(load(t, store, Devices)) != names(p) {
		t.Errorf("left %q", names(p))
	}
	var refused *RefusedError
	if err := p.Remove(ByPeer(c.key("heater")), c.key("lamp")); !errors.As(err, &refused) {
		t.Errorf("a device removed a device: %v", err)
	}
	if err := p.Remove(AtTheBox(), c.key("heater")); err != nil {
		t.Error(err)
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
		"wipe":                   p.Wipe,
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
	if err := p.Wipe(); err != nil {
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

// TestFullSetIsStorable: the largest set fits into what internal/state stores (1 MiB).
func TestFullSetIsStorable(t *testing.T) {
	s := peerSet{of: Owners}
	part := strings.Repeat("x", 1023)
	long, err := jid.New(part, strings.Repeat("d.", 500)+"example", "")
	if err != nil {
		t.Fatal(err)
	}
	for i := range MaxConfirmed + MaxProvisional {
		r := Record{JID: long, DER: make([]byte, MaxCertificate), Name: strings.Repeat("😀", maxName), State: Provisional, Role: Owner, AddedBy: Key{JID: long}}
		r.Fingerprint[0], r.AddedBy.Fingerprint[0] = byte(i), 1
		s.records = append(s.records, r)
	}
	b, err := s.marshal()
	if err != nil || len(b) > 1<<20 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}

func TestAddProvisionalRefuses(t *testing.T) {
	c := newCast(t)
	good := c.record("anna")
	tests := map[string]func(*Record){
		"full JID":               func(r *Record) { r.JID = jid.MustParse("anna@home.example/phone") },
		"no JID":                 func(r *Record) { r.JID = jid.JID{} },
		"another's fingerprint":  func(r *Record) { r.Fingerprint = c.key("ben").Fingerprint },
		"no certificate":         func(r *Record) { r.DER = nil; r.Fingerprint = Fingerprint{} },
		"no link":                func(r *Record) { r.Link = "" },
		"admitted by a stranger": func(r *Record) { r.AddedBy = c.key("ben") },
		"admitted by itself":     func(r *Record) { r.AddedBy = c.key("anna") },
	}
	p := load(t, NewMemStore(), Owners)
	for name, change := range tests {
		r := good
		change(&r)
		if err := p.AddProvisional(r); err == nil || len(p.All()) != 0 {
			t.Errorf("%s: %v", name, err)
		}
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

// TestDamagedIsNotUnowned: DESIGN §5, damaged state means locked.
func TestDamagedIsNotUnowned(t *testing.T) {
	store := &failingStore{MemStore: NewMemStore(), read: errors.New("damaged")}
	if p, err := LoadPeers(store, ownersFile, Owners); !errors.Is(err, store.read) || p != nil {
		t.Errorf("got %v, %v", p, err)
	}
	if _, err := LoadPeers(NewMemStore(), ownersFile, "pets"); err == nil {
		t.Error("unknown set was accepted")
	}
}

func TestMalformedSets(t *testing.T) {
	c, store := newCast(t), NewMemStore()
	p := load(t, store, Owners)
	enrol(t, p, c.record("anna"), c.admittedBy("anna", "ben"))
	add(t, p, c.admittedBy("ben", "carl"))
	b, _ := store.Read(ownersFile)
	good := string(b)
	fp := func(n string) string { return c.key(n).Fingerprint.String() }
	replace := func(from, to string) string {
		if !strings.Contains(good, from) {
			t.Fatalf("no %q in %s", from, good)
		}
		return strings.Replace(good, from, to, 1)
	}
	tests := map[string]string{
		"empty":                  "",
		"null":                   "null",
		"empty object":           "{}",
		"newer version":          replace(`"version": 1`, `"version": 2`),
		"devices":                replace(`"owners"`, `"devices"`),
		"unknown field":          replace(`"version"`, `"extra": 1, "version"`),
		"unknown record field":   replace(`"name"`, `"extra": 1, "name"`),
		"something follows":      good + "{}",
		"two admins":             replace(`"role": "owner"`, `"role": "admin"`),
		"no admin":               replace(`"role": "admin"`, `"role": "owner"`),
		"unknown role":           replace(`"role": "owner"`, `"role": "king"`),
		"unknown state":          replace(`"provisional"`, `"chosen"`),
		"wrong order":            replace(`"confirmed"`, `"provisional"`),
		"unknown link":           replace(`"lan"`, `"pigeon"`),
		"bad JID":                replace(`"anna@home.example"`, `"@"`),
		"full JID":               replace(`"anna@home.example"`, `"anna@home.example/x"`),
		"JID not canonical":      replace(`"anna@home.example"`, `"ANNA@home.example"`),
		"fingerprint of another": replace(fp("anna"), fp("carl")),
		"fingerprint cut":        replace(fp("anna"), fp("anna")[2:]),
		"certificate cut":        replace(`"certificate": "MII`, `"certificate": "`),
		"name with an escape":    replace(`"name": "anna"`, `"name": "\u001b[2J"`),
		"admitted by a stranger": strings.ReplaceAll(good, `"added_by": {
				"jid": "anna@`, `"added_by": {
				"jid": "zoe@`),
		"proven but provisional": replace(good[strings.LastIndex(good, `"server_proven": false`):], strings.Replace(good[strings.LastIndex(good, `"server_proven": false`):], "false", "true", 1)),
	}
	for name, text := range tests {
		if text == good {
			t.Fatalf("%s: not changed", name)
		}
		_ = store.Write(ownersFile, []byte(text))
		if p, err := LoadPeers(store, ownersFile, Owners); err == nil || p != nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: more than one line: %v", name, err)
		}
	}
	for n := range len(good) - 1 { // the last byte is a line end
		if _, err := unmarshalSet([]byte(good[:n]), Owners); err == nil {
			t.Errorf("%d of %d bytes were accepted", n, len(good))
		}
	}
}

func FuzzUnmarshalSet(f *testing.F) {
	id, err := NewIdentity("anna", testTime, rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	s := peerSet{of: Owners}
	r := Record{JID: jid.MustParse("anna@home.example"), DER: id.DER(), Fingerprint: id.Fingerprint(), Link: LAN, Created: time.Unix(0, 0).UTC()}
	s, _, _ = s.withProvisional(r)
	provisional, _ := s.marshal()
	f.Add(provisional)
	s, _, _ = s.withConfirmed(0, Server)
	confirmed, _ := s.marshal()
	f.Add(confirmed)
	f.Add([]byte(`{"version":1,"set":"owners","peers":[]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := unmarshalSet(b, Owners)
		if err != nil {
			return
		}
		b, err = s.marshal()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := unmarshalSet(b, Owners); err != nil {
			t.Errorf("%s: %v", b, err)
		}
	})
}
