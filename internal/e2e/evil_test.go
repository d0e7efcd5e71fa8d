package e2e

import (
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/internal/evil"
	"xtls-agent/internal/prove"
	"xtls-agent/internal/state"
	"xtls-agent/internal/testpeer"
	"xtls-agent/trust"
	"xtls-agent/xmpp"
)

// TestEvilServer runs the programs over a real server that is in the attacker's hands: a relay that has its key. The attacks are
// those of package evil, on real streams.
func TestEvilServer(t *testing.T) {
	t.Parallel()
	authority := testpeer.NewAuthority(t)
	server := testpeer.Prosody(t, testpeer.XMPPOptions{Authority: authority, Plain: true})
	cert := authority.Issue(t, testpeer.Validity{}, server.Domain)
	for _, a := range evilAttacks {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			relay := evil.NewRelay(t, server.Addr, cert.TLS)
			cell := cells[a.cell]
			cell.server = server.At(relay.Addr)
			s := &evilScene{world: newWorld(t), setting: cell, Relay: relay}
			s.box, s.romeo = s.newPair(cell, boxConfig{})
			s.box.start().online()
			a.run(s)
		})
	}
}

// evilAttacks are a few of each kind; package evil has them all, over a server in memory.
var evilAttacks = []struct {
	name, cell string
	run        func(*evilScene)
}{
	{"untouched, c2s and go-xmpp", "c2s and go-xmpp", untouched},
	{"untouched, go-xmpp and c2s", "go-xmpp and c2s", untouched},
	{"a bit of a block, while they pair", "c2s and c2s", flippedWhileTheyPair},
	{"a bit of a block, in a session", "c2s and go-xmpp", flippedInASession},
	{"cut while they pair", "go-xmpp and go-xmpp", cutWhileTheyPair},
	{"another fingerprint", "go-xmpp and c2s", anotherFingerprint},
	{"no security offered", "c2s and go-xmpp", noSecurityOffered},
	{"no security answered", "c2s and c2s", noSecurityAnswered},
	{"two devices crossed", "c2s and c2s", devicesCrossed},
	{"a recorded pairing", "go-xmpp and go-xmpp", recordedPairing},
	{"a rogue that guesses", "c2s and c2s", rogueGuesses},
	{"a rogue with a certificate", "c2s and go-xmpp", rogueCertificate},
	{"what chance brings", "go-xmpp and c2s", randomHits},
}

// evilScene is a device and an owner over a server in the attacker's hands.
type evilScene struct {
	*world
	setting
	*evil.Relay
	box   *box
	romeo *person
}

// pairsUnder pairs while the relay does as m says.
func (s *evilScene) pairsUnder(m evil.Move) *result {
	s.Helper()
	s.Become(m)
	defer s.Become(nil)
	return s.romeo.pair(s.box.jid, s.box.pin(), "--timeout", evilTimeout)
}

// callsUnder calls a command meanwhile.
func (s *evilScene) callsUnder(m evil.Move) *result {
	s.Helper()
	s.Become(m)
	defer s.Become(nil)
	return s.romeo.ctl("call", s.box.jid, "lamp", "state=on", "--timeout", evilTimeout)
}

// evilTimeout is the patience of a person whom nobody answers.
const evilTimeout = "40s"

// trusts switches the device off, and holds what both have stored against what may be: each the other's own certificate and address,
// or nothing. Then the device is on again.
func (s *evilScene) trusts() {
	s.Helper()
	s.box.stop()
	for _, r := range s.records(s.box.stateFolder(), "owners", trust.Owners) {
		if me := s.identityOf(s.romeo.dir, s.romeo.name); r.Fingerprint != me.Fingerprint() || r.JID.String() != s.romeo.jid {
			s.Errorf("the device trusts %s with %s", r.JID, r.Fingerprint)
		}
	}
	for _, r := range s.records(s.romeo.dir, "devices", trust.Devices) {
		if r.Fingerprint != s.identityOf(s.box.stateFolder(), s.box.name).Fingerprint() || r.JID.String() != s.box.jid {
			s.Errorf("the owner trusts %s with %s", r.JID, r.Fingerprint)
		}
	}
	s.box.start().online()
}

func (s *evilScene) records(folder, name string, of trust.Set) []trust.Record {
	s.Helper()
	var all []trust.Record
	s.copyOf(folder, func(dir *state.Dir) error {
		peers, err := trust.LoadPeers(dir, name, of)
		if err == nil {
			all = peers.All()
		}
		return err
	})
	return all
}

// identityOf reads a program's own certificate.
func (w *world) identityOf(folder, name string) (id *trust.Identity) {
	w.Helper()
	w.copyOf(folder, func(dir *state.Dir) (err error) {
		id, err = trust.LoadIdentity(dir, name, time.Now(), nil)
		return err
	})
	return id
}

// copyOf reads a copy of a program's folder: the lock on the real one would be held by whatever this process is just starting.
func (w *world) copyOf(folder string, read func(*state.Dir) error) {
	w.Helper()
	there := filepath.Join(w.TempDir(), "copy")
	if err := os.CopyFS(there, os.DirFS(folder)); err != nil {
		w.Fatal(err)
	}
	dir, err := state.Open(there, nil)
	if err != nil {
		w.Fatal(err)
	}
	defer dir.Close()
	if err := read(dir); err != nil {
		w.Fatal(err)
	}
}

// retries shows that nothing is lost: over the server, honest again, they pair with what a person has at hand.
func (s *evilScene) retries() {
	s.Helper()
	old := s.box.pin()
	s.box.press("press")
	s.romeo.pair(s.box.jid, s.box.pin(old)).want(0)
	s.romeo.calls(s.box.jid)
	s.trusts()
}

// The weapon works: the relay has seen the Jingle session and every block of it, and the programs pair through it. It has seen
// neither PIN nor certificate nor what a command said.
func untouched(s *evilScene) {
	pin := s.box.pin()
	s.romeo.pair(s.box.jid, pin).want(0)
	s.romeo.calls(s.box.jid)
	secrets := map[string]string{
		"the PIN": digits(pin), "what a command said": "the lamp is on",
		"the owner's certificate":  string(s.identityOf(s.romeo.dir, s.romeo.name).DER()),
		"the device's certificate": string(s.identityOf(s.box.stateFolder(), s.box.name).DER()),
	}
	offers, blocks, sizes := 0, 0, 0
	for _, st := range s.between() {
		text := st.Element().String()
		if strings.Contains(text, evil.Offer) {
			offers++
		}
		if block, ok := evil.Block(st); ok {
			blocks++
			bytes, err := base64.StdEncoding.DecodeString(block)
			if err != nil {
				s.Fatal(err)
			}
			sizes += len(bytes)
			text += string(bytes)
		}
		for what, secret := range secrets {
			if strings.Contains(text, secret) || strings.Contains(text, base64.StdEncoding.EncodeToString([]byte(secret))) {
				s.Errorf("the server reads %s: %s", what, text)
			}
		}
	}
	// To pair takes two sessions, by srp and by x509, and a command a third.
	if offers != 3 || blocks < 10 || sizes < 2000 {
		s.Errorf("the weapon does not work: the relay has seen %d sessions and %d blocks of %d bytes", offers, blocks, sizes)
	}
	s.trusts()
	s.romeo.calls(s.box.jid)
}

// accepted counts the sessions that the device has accepted, heard or not: who made the recording has gone.
func (s *evilScene) accepted() (n int) {
	for _, st := range s.Said() {
		if strings.Contains(st.Element().String(), evil.Answer) {
			n++
		}
	}
	return n
}

// between returns what was said between device and owner.
func (s *evilScene) between() []*xmpp.Stanza {
	device, owner := jid.MustParse(s.box.jid), jid.MustParse(s.romeo.jid)
	return slices.DeleteFunc(s.Heard(), func(st *xmpp.Stanza) bool {
		from, to := st.From.Bare(), st.To.Bare()
		return !(from.Equal(device) && to.Equal(owner)) && !(from.Equal(owner) && to.Equal(device))
	})
}

// onBlock is the move that does f to the block with number at of what from says, and the count of its hits.
func onBlock(from string, at int32, f evil.Move) (evil.Move, *atomic.Int32) {
	var blocks, hits atomic.Int32
	return func(st *xmpp.Stanza) []*xmpp.Stanza {
		if !evil.IsData(st) || st.From.Bare().String() != from || blocks.Add(1) != at {
			return []*xmpp.Stanza{st}
		}
		hits.Add(1)
		return f(st)
	}, &hits
}

func flipped(st *xmpp.Stanza) []*xmpp.Stanza { return []*xmpp.Stanza{evil.Flip(st, 5)} }

func (s *evilScene) mustHit(hits *atomic.Int32) {
	s.Helper()
	if hits.Load() == 0 {
		s.Error("the weapon never hit")
	}
}

// The third thing that the device says is its stream header, or the request for the owner's certificate: records of the PIN's keys.
func flippedWhileTheyPair(s *evilScene) {
	move, hits := onBlock(s.box.jid, 3, flipped)
	s.pairsUnder(move).want(1)
	s.mustHit(hits)
	s.trusts()
	s.retries()
}

func flippedInASession(s *evilScene) {
	s.romeo.pairs(s.box, s.box.jid)
	move, hits := onBlock(s.box.jid, 2, flipped)
	r := s.callsUnder(move) // an opening that is lost is tried again, as another session
	if !strings.Contains(r.stderr, "bad record MAC") || r.code == 0 && !strings.Contains(r.stderr, "reconnecting…") {
		s.Errorf("called on a session of which a block was altered: %s%s", r.stdout, r.stderr)
	}
	s.mustHit(hits)
	s.trusts()
	s.romeo.calls(s.box.jid)
}

func cutWhileTheyPair(s *evilScene) {
	move, hits := onBlock(s.romeo.jid, 3, evil.Cut)
	s.pairsUnder(move).want(1)
	s.mustHit(hits)
	s.trusts()
	s.retries()
}

// hits are what may happen to a block.
var hits = map[string]evil.Move{
	"a bit flipped": flipped,
	"cut":           evil.Cut,
	"dropped":       func(*xmpp.Stanza) []*xmpp.Stanza { return nil },
	"said twice":    func(st *xmpp.Stanza) []*xmpp.Stanza { return []*xmpp.Stanza{st, evil.Clone(st)} },
	"said too late": nil, // after what its sender says next
}

// late is the move that lets a block wait for what its sender says next.
func late(from string, at int32) (evil.Move, *atomic.Int32) {
	var waiting *xmpp.Stanza // moves run one at a time
	block, hits := onBlock(from, at, func(st *xmpp.Stanza) []*xmpp.Stanza { waiting = st; return nil })
	return func(st *xmpp.Stanza) []*xmpp.Stanza {
		out := block(st)
		if waiting != nil && waiting != st && st.From.Equal(waiting.From) {
			out, waiting = append(out, waiting), nil
		}
		return out
	}, hits
}

// randomHits lets one thing happen to one block of a pairing, and again. Whether they pair or not, nobody trusts anybody else, and they
// pair in the next window.
func randomHits(s *evilScene) {
	random := prove.Rand(s)
	kinds := slices.Sorted(maps.Keys(hits))
	for range prove.Rounds(s, 2, 25) {
		kind, from, at := kinds[random.IntN(len(kinds))], []string{s.box.jid, s.romeo.jid}[random.IntN(2)], 1+random.Int32N(5)
		s.Logf("block %d of %s: %s", at, from, kind)
		move, n := late(from, at)
		if hit := hits[kind]; hit != nil {
			move, n = onBlock(from, at, hit)
		}
		paired := s.pairsUnder(move).code == 0
		s.mustHit(n)
		s.trusts()
		if paired {
			s.romeo.calls(s.box.jid)
		} else {
			s.retries()
		}
		s.romeo.ctl("forget", s.box.jid).want(0)
		s.box.local("reset").want(0)
	}
}

// rewriting is one of package evil's, by its name.
func rewriting(w *world, name string) *evil.Weapon {
	w.Helper()
	for _, r := range evil.Rewritings {
		if r.Name == name {
			return &evil.Weapon{Change: r.Change}
		}
	}
	w.Fatalf("no rewriting is called %q", name)
	return nil
}

func anotherFingerprint(s *evilScene) {
	s.romeo.pairs(s.box, s.box.jid)
	weapon := rewriting(s.world, "fingerprint answered")
	s.callsUnder(weapon.Move).want(1, "could not prove that it is the device", "somebody interferes")
	s.mustHit(&weapon.Hits)
	weapon = rewriting(s.world, "fingerprint offered")
	s.callsUnder(weapon.Move).want(6, "does not know this client any more", "somebody interferes")
	s.mustHit(&weapon.Hits)
	s.trusts()
	s.romeo.calls(s.box.jid)
}

func noSecurityOffered(s *evilScene) {
	weapon := rewriting(s.world, "no security offered")
	s.pairsUnder(weapon.Move).want(1)
	s.mustHit(&weapon.Hits)
	s.trusts()
	s.retries()
}

func noSecurityAnswered(s *evilScene) {
	weapon := rewriting(s.world, "no security answered")
	s.pairsUnder(weapon.Move).want(1, "could not prove that it is the device")
	s.mustHit(&weapon.Hits)
	s.trusts()
	s.retries()
}

// The server connects the owner to another device than he means, whose PIN he is made to type.
func devicesCrossed(s *evilScene) {
	other := s.newBox(boxConfig{name: "other", server: s.server, link: s.device, noLAN: true}).start().online()
	meant, got := s.box.fullJID(), other.fullJID()
	var hits atomic.Int32
	move := func(st *xmpp.Stanza) []*xmpp.Stanza {
		victim := st.From
		if st.From.String() == got {
			victim = st.To
		}
		if victim.Bare().String() != s.romeo.jid {
			return []*xmpp.Stanza{st}
		}
		hits.Add(1)
		return evil.Crossed(victim.String(), meant, got)(st)
	}
	s.Become(move)
	pin := other.pin()
	s.romeo.pair(s.box.jid, pin, "--timeout", evilTimeout).want(1)
	s.Become(nil)
	s.mustHit(&hits)
	if now := other.pin(pin); now == pin {
		s.Error("the weapon does not work: the other device has judged no PIN")
	}
	other.stop()
	if all := s.records(other.stateFolder(), "owners", trust.Owners); len(all) != 0 {
		s.Errorf("the other device trusts %v", all)
	}
	s.trusts()
	s.retries()
}

// fullJID is the address that the server gave the device.
func (b *box) fullJID() string {
	b.w.Helper()
	return b.waitLog(fmt.Sprintf(`msg=online as=(%s/\S+)`, b.jid))
}

// All that the owner said in one pairing is said again to the device, word for word, in a window of its own.
func recordedPairing(s *evilScene) {
	s.romeo.pairs(s.box, s.box.jid)
	var recorded []*xmpp.Stanza
	for _, st := range s.between() {
		if st.From.Bare().String() == s.romeo.jid {
			recorded = append(recorded, st)
		}
	}
	s.box.press("press")
	s.box.pin()
	accepted := s.accepted()
	for _, st := range recorded {
		if err := s.Inject(st); err != nil {
			s.Fatal(err)
		}
	}
	s.waitUntil("the device accepts a session of the recording", patience, func() bool { return s.accepted() > accepted })
	s.trusts()
	s.box.local("owners").want(0, s.romeo.jid, "admin")
	s.romeo.calls(s.box.jid)
}
