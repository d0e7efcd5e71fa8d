package e2e

import (
	"strings"
	"testing"

	"xtls-agent/internal/testpeer"
)

// A box with no keyboard and no account: it is paired on the LAN, is given its account over the encrypted session, and is
// called over the server, with the LAN out of reach, before and after a restart. Nobody pairs a second time.
func TestProvision(t *testing.T) {
	t.Parallel()
	for kind, start := range servers {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			server := start(t, testpeer.XMPPOptions{})
			t.Run("account before pairing", func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				b := w.newBox(boxConfig{}).start()
				romeo := w.newOwner("romeo").account(server, "go-xmpp")
				romeo.pairs(b, b.lan(), "--name", "telly")
				provisionAndCall(w, b, romeo, server)
			})
			t.Run("account after pairing", func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				b := w.newBox(boxConfig{}).start()
				romeo := w.newOwner("romeo")
				romeo.pairs(b, b.lan(), "--name", "telly")
				provisionAndCall(w, b, romeo.account(server, "c2s"), server)
			})
		})
	}
}

func provisionAndCall(w *world, b *box, romeo *person, server *testpeer.XMPPServer) {
	w.Helper()
	jid, password := w.newAccount(server, "box")
	before := w.fingerprintOf(b.stateFolder())
	romeo.provision(server, "telly", jid, w.newPassword()).want(7, "the server refuses it or its password")
	romeo.provision(server, "telly", jid, "").want(1, "nothing was typed")
	if w.fingerprintOf(b.stateFolder()) != before {
		w.Error("a refused account has changed what the device remembers")
	}
	if out := b.local("status").want(0).stdout; !strings.Contains(out, "Account: none") {
		w.Errorf("status: %s", out)
	}
	if r := romeo.provision(server, "telly", jid, password).want(0, "telly logs in as "+jid); strings.Contains(r.stderr, "note:") {
		w.Errorf("the device was not met on its server: %s", r.stderr)
	}
	b.local("status").want(0, "Account: "+jid+" (given by an owner)")
	romeo.calls("telly") // on the LAN, or over the server: the device listens on a new port by now
	if list := romeo.ctl("devices", "--json").want(0).stdout; strings.Count(list, `"jid"`) != 1 || !strings.Contains(list, jid) {
		w.Errorf("devices: %s", list)
	}
	for range 2 { // the power goes, and the LAN with it
		b.kill()
		b.change("127.0.0.1:0", "127.0.0.2:0")
		b.start().online()
		if r := romeo.calls("telly"); !strings.Contains(r.stderr, "no session") {
			w.Errorf("the LAN was to fail:\n%s", r.stderr)
		}
	}
	second, password := w.newAccount(server, "box") // over the server, where the admin is the admin too
	if r := romeo.provision(server, "telly", second, password).want(0, "telly logs in as "+second); strings.Contains(r.stderr, "note:") {
		w.Errorf("the device was not met by its second account: %s", r.stderr)
	}
	b.local("status").want(0, "Account: "+second)
	romeo.calls("telly")
}

// provision gives a device an account, with the password that the person types.
func (p *person) provision(s *testpeer.XMPPServer, device, jid, password string, more ...string) *result {
	p.w.Helper()
	return p.beginProvision(s, device, jid, password, more...).wait()
}

func (p *person) beginProvision(s *testpeer.XMPPServer, device, jid, password string, more ...string) *running {
	p.w.Helper()
	if password != "" {
		password += "\n"
	}
	args := []string{"provision", device, "--jid", jid, "--server", s.Addr, "--ca-file", s.CAFile, "--password-stdin"}
	return p.begin(password, append(args, more...)...)
}

// newAccount makes an account that nobody uses yet.
func (w *world) newAccount(s *testpeer.XMPPServer, user string) (jid, password string) {
	w.Helper()
	user, password = unique(user), w.newPassword()
	s.Register(w, user, password)
	return user + "@" + s.Domain, password
}

// The power goes at each moment of it: the device has the account or not, the pairing holds either way, and to provision
// again mends what was cut off.
func TestPowerCutsWhileProvisioning(t *testing.T) {
	t.Parallel()
	server := testpeer.Prosody(t, testpeer.XMPPOptions{})
	for name, came := range map[string]func(*box, *renames) bool{
		"while it tries":         func(b *box, _ *renames) bool { return strings.Contains(b.log.String(), "trying an account") },
		"with one copy":          func(_ *box, r *renames) bool { return r.count("account") >= 1 },
		"with both copies":       func(_ *box, r *renames) bool { return r.count("account") >= 2 },
		"when it has answered":   func(b *box, _ *renames) bool { return strings.Contains(b.log.String(), "name=provision") },
		"when it has begun anew": func(b *box, _ *renames) bool { return strings.Count(b.log.String(), "listening on the LAN") > 1 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b := w.newBox(boxConfig{}).start()
			romeo := w.newOwner("romeo").account(server, "c2s")
			at := b.lan()
			romeo.pairs(b, at, "--name", "telly")
			b.stop()
			b.change("127.0.0.1:0", strings.TrimPrefix(at, "lan:"))
			b.start().lan()
			jid, password := w.newAccount(server, "box")
			seen := w.watchRenames(b.stateFolder())
			going := romeo.beginProvision(server, "telly", jid, password, "--timeout", "4s")
			soon(func() bool { return came(b, seen) }, going.done)
			b.kill()
			t.Logf("exit code %d", going.wait().code)
			b.start().lan()
			romeo.calls("telly")
			romeo.provision(server, "telly", jid, password).want(0, "telly logs in as "+jid)
			b.local("status").want(0, "Account: "+jid)
			romeo.calls("telly")
		})
	}
}
