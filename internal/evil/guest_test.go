package evil

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"mellium.im/xmpp/jid"

	"xtls-agent/control"
	"xtls-agent/owner"
	"xtls-agent/trust"
)

// guests are the owners of one device: romeo, the admin; paul and tybalt, whom he let in; and nurse, whom paul let in. Paul is the guest
// who tries everything that the admin may do.
type guests struct {
	*server
	t                          testing.TB
	box                        *device
	romeo, paul, tybalt, nurse *phone
}

const (
	tybaltJID = "tybalt@home.example/watch"
	nurseJID  = "nurse@home.example/tv"
)

func newGuests(t testing.TB, more ...control.Command) *guests {
	t.Helper()
	s := newServer()
	g := &guests{server: s, t: t, box: startDevice(t, s, boxJID, more...)}
	g.romeo, g.paul = startPhone(t, s, romeoJID), startPhone(t, s, paulJID)
	g.tybalt, g.nurse = startPhone(t, s, tybaltJID), startPhone(t, s, nurseJID)
	g.romeo.mustPair(g.box)
	g.mustAdmit(g.romeo, g.paul)
	g.mustAdmit(g.romeo, g.tybalt)
	g.mustAdmit(g.paul, g.nurse)
	g.mustBeOwnedBy(g.romeo, g.paul, g.tybalt, g.nurse)
	return g
}

func (g *guests) mustAdmit(by, guest *phone) {
	g.t.Helper()
	if err := by.call(g.t.Context(), "pair", owner.Values{"allow": {guest.bare().String()}}); err != nil {
		g.t.Fatal(err)
	}
	guest.mustPair(g.box)
}

// mustBeOwnedBy holds who owns the device, as it is stored, to who may: the first is the admin.
func (g *guests) mustBeOwnedBy(list ...*phone) {
	g.t.Helper()
	records := g.box.owners()
	if len(records) != len(list) {
		g.t.Errorf("%d owners, want %d: %v", len(records), len(list), records)
		return
	}
	for i, r := range records {
		role := trust.Owner
		if i == 0 {
			role = trust.Admin
		}
		if !list[i].is(r) || r.State != trust.Confirmed || r.Role != role {
			g.t.Errorf("owner %d is %s (%s, %s), want %s (%s)", i, r.JID, r.State, r.Role, list[i].full, role)
		}
	}
}

func (g *guests) named(names string) (list []*phone) {
	for _, name := range strings.Fields(names) {
		i := slices.IndexFunc(g.all(), func(p *phone) bool { return p.local() == name })
		list = append(list, g.all()[i])
	}
	return list
}

func (g *guests) all() []*phone { return []*phone{g.romeo, g.paul, g.tybalt, g.nurse} }

// An attempt is what a guest tries with a command, and what must come of it.
type attempt struct {
	what   string
	values owner.Values
	may    bool
	stay   string // who owns the device afterwards, the admin first
}

const everyone = "romeo paul tybalt nurse"

// guestMay says for each command that the device offers to its owners what a guest may do with it and what not. A command
// that is new needs its line here.
var guestMay = map[string][]attempt{
	"status": {{"to read it", nil, true, everyone}},
	"pair": {
		{"to open a window", nil, true, everyone},
		{"to open a window for somebody", owner.Values{"allow": {"juliet@home.example"}}, true, everyone},
		{"to open a window for everybody", owner.Values{"allow": {"anyone"}}, true, everyone},
		{"to name a whole domain", owner.Values{"allow": {"home.example"}}, false, everyone},
		{"to name a resource", owner.Values{"allow": {"juliet@home.example/x"}}, false, everyone},
		{"to write a pattern", owner.Values{"allow": {"*@home.example"}}, false, everyone},
	},
	"owners": {
		{"to list them", nil, true, everyone},
		{"to remove the admin", owner.Values{"remove": {"romeo@home.example"}}, false, everyone},
		{"to remove the admin, in capitals", owner.Values{"remove": {"ROMEO@HOME.example"}}, false, everyone},
		{"to remove the admin, with a resource", owner.Values{"remove": {romeoJID}}, false, everyone},
		{"to remove the admin, with a dot", owner.Values{"remove": {"romeo@home.example."}}, false, everyone},
		{"to remove the admin, in wide letters", owner.Values{"remove": {"ｒｏｍｅｏ@home.example"}}, false, everyone},
		{"to remove the admin, in letters that look the same", owner.Values{"remove": {"rоmeo@home.example"}}, false, everyone},
		{"to remove the admin by his own fingerprint", owner.Values{"remove": {"romeo@home.example"}, "fingerprint": {"GUEST"}}, false, everyone},
		{"to remove who has a fingerprint", owner.Values{"fingerprint": {"ADMIN"}}, false, everyone},
		{"to remove the admin and himself at once", owner.Values{"remove": {"paul@home.example", "romeo@home.example"}}, false, everyone},
		{"to remove another guest of the admin's", owner.Values{"remove": {"tybalt@home.example"}}, false, everyone},
		{"to remove a stranger", owner.Values{"remove": {"mallory@home.example"}}, false, everyone},
		{"to remove whom he let in", owner.Values{"remove": {"nurse@home.example"}}, true, "romeo paul tybalt"},
		{"to remove whom he let in, in capitals", owner.Values{"remove": {"NURSE@home.example"}}, true, "romeo paul tybalt"},
		{"to remove himself", owner.Values{"remove": {"paul@home.example"}}, true, "romeo tybalt nurse"},
	},
}

func TestGuestsCommands(t *testing.T) {
	t.Parallel()
	t.Run("each has its line", func(t *testing.T) {
		t.Parallel()
		inBubble(t, func(t *testing.T) {
			g := newGuests(t)
			for _, name := range g.commands(g.paul) {
				if guestMay[name] == nil {
					t.Errorf("the device offers %q to a guest, and the table says nothing of it", name)
				}
			}
		})
	})
	for name, attempts := range guestMay {
		for _, a := range attempts {
			t.Run(name+"/"+a.what, func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(t *testing.T) { newGuests(t).attempt(name, a) })
			})
		}
	}
}

// commands lists what the device offers, as it says itself.
func (g *guests) commands(p *phone) (names []string) {
	g.t.Helper()
	s := g.mustOpen(p)
	defer s.Close()
	items, err := s.Commands(g.t.Context())
	if err != nil || len(items) == 0 {
		g.t.Fatalf("the device lists %d commands: %v", len(items), err)
	}
	for _, item := range items {
		names = append(names, item.Node)
	}
	return names
}

func (g *guests) mustOpen(p *phone) *owner.Session {
	g.t.Helper()
	s, err := p.Open(g.t.Context(), jid.MustParse(boxJID))
	if err != nil {
		g.t.Fatal(err)
	}
	return s
}

func (g *guests) attempt(command string, a attempt) {
	g.t.Helper()
	values := make(owner.Values)
	for field, list := range a.values {
		values[field] = slices.Clone(list)
		for i, v := range list {
			v = strings.Replace(v, "GUEST", g.paul.keys.Identity.Fingerprint().String(), 1)
			values[field][i] = strings.Replace(v, "ADMIN", g.romeo.keys.Identity.Fingerprint().String(), 1)
		}
	}
	err := g.paul.call(g.t.Context(), command, values)
	if (err == nil) != a.may {
		g.t.Errorf("%s: %v", a.what, err)
	}
	g.mustBeOwnedBy(g.named(a.stay)...)
	for _, p := range g.all() { // and nobody is kept out, nor let in
		err := p.open(g.t.Context(), boxJID)
		if owns := slices.Contains(g.named(a.stay), p); owns != (err == nil) {
			g.t.Errorf("afterwards %s opens a session: %v", p.full, err)
		}
	}
}

// What a person at the box may do is not offered to owners, and is not done for them.
func TestGuestCannotDoWhatTheBoxCan(t *testing.T) {
	t.Parallel()
	local := localCommands(t)
	inBubble(t, func(t *testing.T) {
		g := newGuests(t)
		offered := g.commands(g.paul)
		tried := 0
		for _, name := range append(local, "wipe", "unlock", "pairing-open", "publish", "restart") {
			if slices.Contains(offered, name) {
				continue
			}
			tried++
			err := g.paul.call(t.Context(), name, nil)
			var answered *owner.RequestError
			if !errors.As(err, &answered) || answered.Condition != owner.ItemNotFound {
				t.Errorf("%s: %v", name, err)
			}
			g.mustBeOwnedBy(g.all()...)
		}
		if tried < 8 {
			t.Errorf("only %d commands of the box were tried: %v", tried, local)
		}
		if g.box.screen.count() == 0 || g.romeo.open(t.Context(), boxJID) != nil {
			t.Error("afterwards the device is not as it was")
		}
	})
}

// The admin's rights hang on his certificate: another one for his address is a guest's, who has whom he let in and no more.
func TestSecondCertificateOfTheAdmin(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		g := newGuests(t)
		double := startPhone(t, g.server, "romeo@home.example/double")
		g.mustAdmit(g.paul, double)
		owners := append(g.all(), double)
		g.mustBeOwnedBy(owners...)
		for _, who := range []string{"romeo@home.example", "tybalt@home.example", "paul@home.example"} {
			if err := double.call(t.Context(), "owners", owner.Values{"remove": {who}}); err == nil {
				t.Errorf("whoever has the admin's address alone removed %s", who)
			}
			g.mustBeOwnedBy(owners...)
		}
		admins := owner.Values{"remove": {"romeo@home.example"}, "fingerprint": {g.romeo.keys.Identity.Fingerprint().String()}}
		if err := g.paul.call(t.Context(), "owners", admins); err == nil {
			t.Error("a guest removed the admin")
		}
		g.mustBeOwnedBy(owners...)
		doubles := owner.Values{"remove": {"romeo@home.example"}, "fingerprint": {double.keys.Identity.Fingerprint().String()}}
		if err := g.paul.call(t.Context(), "owners", doubles); err != nil {
			t.Errorf("who let the double in cannot remove it: %v", err)
		}
		g.mustBeOwnedBy(g.all()...)
	})
}

// A guest lets himself in once more, under another name, and that one lets in a third. They have no more rights than he.
func TestGuestUnderAnotherName(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		g := newGuests(t)
		alias, third := startPhone(t, g.server, "saul@home.example/x"), startPhone(t, g.server, "third@home.example/x")
		g.mustAdmit(g.paul, alias)
		g.mustAdmit(alias, third)
		owners := append(g.all(), alias, third)
		for _, by := range []*phone{alias, third} {
			for _, who := range []*phone{g.romeo, g.tybalt, g.nurse, g.paul} {
				if err := by.call(t.Context(), "owners", owner.Values{"remove": {who.bare().String()}}); err == nil {
					t.Errorf("%s removed %s", by.full, who.full)
				}
			}
		}
		if err := third.call(t.Context(), "owners", owner.Values{"remove": {alias.bare().String()}}); err == nil {
			t.Error("a guest removed who let him in")
		}
		g.mustBeOwnedBy(owners...)
		// The admin removes them all, and they do not come back.
		for _, who := range []*phone{third, alias, g.nurse, g.paul, g.tybalt} {
			if err := g.romeo.call(t.Context(), "owners", owner.Values{"remove": {who.bare().String()}}); err != nil {
				t.Error(err)
			}
			if err := who.open(t.Context(), boxJID); err == nil {
				t.Errorf("%s was removed, and comes back", who.full)
			}
		}
		g.mustBeOwnedBy(g.romeo)
		if err := g.romeo.call(t.Context(), "owners", owner.Values{"remove": {"romeo@home.example"}}); err == nil {
			t.Error("the last owner left from afar")
		}
		g.mustBeOwnedBy(g.romeo)
	})
}
