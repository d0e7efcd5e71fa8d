package trust

import (
	"errors"
	"slices"
	"testing"
)

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
