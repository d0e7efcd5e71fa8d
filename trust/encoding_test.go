package trust

import (
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"mellium.im/xmpp/jid"
)

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
	set := p.snapshot()
	set.records = append(set.records, set.records[2])
	twice, err := set.marshal()
	if err != nil {
		t.Fatal(err)
	}
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
		"fingerprint of another": replace(fp("carl"), fp("zoe")),
		"the same peer twice":    string(twice),
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
