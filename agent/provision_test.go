package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/control"
	"xtls-agent/internal/state"
	"xtls-agent/internal/state/statetest"
	"xtls-agent/owner"
	"xtls-agent/trust"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/lan"
	"xtls-agent/xmpp/stream"
)

const boxAccount = "box@home.example"

func given(account, password string) owner.Account {
	return owner.Account{JID: jid.MustParse(account), Password: func() string { return password }}
}

// fakeServer lets a device in, or says why not.
type fakeServer struct {
	t       *testing.T
	serving sync.WaitGroup

	mu     sync.Mutex // guards what follows
	err    error
	logins int
}

func newFakeServer(t *testing.T) *fakeServer {
	s := &fakeServer{t: t}
	t.Cleanup(s.serving.Wait)
	return s
}

func (s *fakeServer) refuse(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *fakeServer) dial(ctx context.Context) (xmpp.Link, error) {
	s.mu.Lock()
	s.logins++
	err := s.err
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	here, there := net.Pipe()
	domain, account := jid.MustParse("home.example"), jid.MustParse(boxAccount)
	s.serving.Go(func() {
		if link, err := stream.Server(ctx, there, stream.Config{Local: domain}); err == nil {
			_ = xmpp.NewSession(link, nil).Serve(context.WithoutCancel(ctx))
		}
		_ = there.Close()
	})
	return stream.Client(ctx, here, stream.Config{Local: account, Remote: domain})
}

// startGiven starts a device whose accounts are that server's, and pairs with it as its admin.
func startGiven(t *testing.T, store trust.Store, config string) (*box, *fakeServer, *owner.Keyring) {
	t.Helper()
	server := newFakeServer(t)
	b := startBox(t, store, config, func(e *Env) { e.Dial = server.dial })
	keys := newKeys(t, "admin")
	pairOn(t, b, keys, "romeo@phone").Session.Close()
	return b, server, keys
}

// provision gives the account over a session of its own, with the device as it was called when it was paired.
func provision(t *testing.T, b *box, keys *owner.Keyring, as string, a owner.Account) error {
	t.Helper()
	link, err := lan.Dialer{Local: jid.MustParse(as), Remote: keys.Devices.All()[0].JID}.Dial(t.Context(), b.addr)
	if err != nil {
		t.Fatal(err)
	}
	o := owner.New(link, keys, owner.Config{})
	s, err := o.OpenDirect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	defer s.Close()
	return s.Provision(t.Context(), a, jid.JID{})
}

// nextLife waits until the device has begun anew.
func (b *box) nextLife(t *testing.T, before *life) *life {
	t.Helper()
	for range 400 {
		b.agent.lifeMu.Lock()
		l := b.agent.life
		b.agent.lifeMu.Unlock()
		if l != nil && l != before && b.lanAddr() != "" {
			b.addr = b.lanAddr()
			return l
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Fatal("the device has not begun anew")
	return nil
}

// waitFor waits until the device is what it should be.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 400 {
		if ok() {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Fatalf("never: %s", what)
}

// The device logs in at once, goes by the account's address on the LAN too, still answers to its name of before, and
// comes back with the account after a restart. Another account of the admin's replaces it.
func TestAccountIsKept(t *testing.T) {
	store := trust.NewMemStore()
	b, server, keys := startGiven(t, store, "")
	before := b.agent.life
	if err := provision(t, b, keys, "romeo@phone", given(boxAccount, "secret")); err != nil {
		t.Fatal(err)
	}
	l := b.nextLife(t, before)
	waitFor(t, "online", func() bool { return strings.Contains(fmt.Sprint(l.links.list()), "online") })
	if got := l.Status().Account; got != boxAccount+" (given by an owner)" {
		t.Errorf("status: %s", got)
	}
	if err := provision(t, b, keys, "romeo@phone", given("lamp@home.example", "secret")); err != nil {
		t.Fatal(err)
	}
	b.nextLife(t, l)
	b.stop()
	b = startBox(t, store, "", func(e *Env) { e.Dial = server.dial })
	if got := b.agent.life.address().String(); got != "lamp@home.example" {
		t.Errorf("after a restart the device is %s", got)
	}
}

// Whatever keeps the device from logging in, its owner hears of it and nothing changes.
func TestAccountIsTriedFirst(t *testing.T) {
	store := trust.NewMemStore()
	b, server, keys := startGiven(t, store, "")
	for want, err := range map[string]error{
		"refuses it or its password":        fmt.Errorf("c2s: %w", xmpp.ErrNotAuthorized),
		"clock is not set":                  &xmpp.CertificateError{ClockUnset: true, Err: errors.New("not yet valid")},
		"home.example:5222 does not answer": &xmpp.UnreachableError{Addr: "home.example:5222", Err: errors.New("refused")},
		"could not log in within":           context.DeadlineExceeded,
	} {
		server.refuse(err)
		err := provision(t, b, keys, "romeo@phone", given(boxAccount, "secret"))
		var refused *owner.RefusedAccountError
		if !errors.As(err, &refused) || !strings.Contains(refused.Reason, want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, err := store.Read(accountFile); err == nil || b.agent.life.account != nil {
		t.Errorf("an account that does not work was kept: %v", err)
	}
}

// Only the admin may give the device an account; a guest has no such command.
func TestOnlyTheAdminProvisions(t *testing.T) {
	b, server, keys := startGiven(t, trust.NewMemStore(), "")
	admin, err := dial(t, b, keys, "romeo@phone").OpenDirect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if _, err := call(t, admin, "pair", owner.Values{"allow": {"juliet@phone"}}); err != nil {
		t.Fatal(err)
	}
	guestKeys := newKeys(t, "guest")
	pairOn(t, b, guestKeys, "juliet@phone").Session.Close()
	if err := provision(t, b, guestKeys, "juliet@phone", given(boxAccount, "secret")); !errors.Is(err, owner.ErrNotOffered) || server.logins != 0 {
		t.Errorf("a guest gave the device an account: %v, %d logins", err, server.logins)
	}
	if res, err := CallLocal(t.Context(), filepath.Join(b.runDir, socketName), control.ProvisionName, nil); err == nil {
		t.Errorf("the local socket has the command: %+v", res)
	}
}

// What the configuration says about the account stands.
func TestConfiguredAccountStays(t *testing.T) {
	password := filepath.Join(t.TempDir(), "password")
	b, server, keys := startGiven(t, trust.NewMemStore(), "[xmpp]\njid = \"box@work.example\"\npassword_file = \""+password+"\"\n")
	before := server.logins
	if err := provision(t, b, keys, "romeo@phone", given(boxAccount, "secret")); err == nil || !strings.Contains(err.Error(), "configuration") || server.logins > before+1 {
		t.Errorf("%v", err)
	}
	if got := b.agent.life.Status().Account; got != "box@work.example (in the configuration)" {
		t.Errorf("status: %s", got)
	}
}

// The account belongs to the owners: the button forgets it with them, and it goes with the last of them.
func TestAccountGoesWithTheOwners(t *testing.T) {
	for name, forget := range map[string]func(b *box) error{
		"wipe": func(b *box) error { _, err := b.local(t, "reset", nil); return err },
		"removal": func(b *box) error {
			_, err := b.local(t, "owners", Values{"remove": {"romeo@phone"}})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := trust.NewMemStore()
			b, _, keys := startGiven(t, store, "")
			before := b.agent.life
			if err := provision(t, b, keys, "romeo@phone", given(boxAccount, "secret")); err != nil {
				t.Fatal(err)
			}
			l := b.nextLife(t, before)
			if err := forget(b); err != nil {
				t.Fatal(err)
			}
			if l = b.nextLife(t, l); l.account != nil {
				t.Errorf("the device is still %s", l.account.jid)
			}
			if data, err := store.Read(accountFile); err == nil {
				t.Errorf("%d bytes are kept", len(data))
			}
		})
	}
}

func (b *box) local(t *testing.T, command string, v Values) (Result, error) {
	return CallLocal(t.Context(), filepath.Join(b.runDir, socketName), command, v)
}

// An account that cannot be read takes nothing but itself: owners stay, the LAN serves, and the admin can give it anew.
func TestDamagedAccount(t *testing.T) {
	store := trust.NewMemStore()
	b, _, keys := startGiven(t, store, "")
	b.stop()
	if err := store.Write(accountFile, []byte(`{"version":1,"jid":"box@home.example","password":"secret\u0000"}`)); err != nil {
		t.Fatal(err)
	}
	server := newFakeServer(t)
	b = startBox(t, store, "", func(e *Env) { e.Dial = server.dial })
	b.screen.waitFor(t, "The account cannot be read.")
	before := b.agent.life
	if err := provision(t, b, keys, "romeo@phone", given(boxAccount, "secret")); err != nil {
		t.Fatal(err)
	}
	if l := b.nextLife(t, before); l.account == nil {
		t.Error("the device has no account")
	}
}

// DESIGN §5, "the old state or the new one": an account is there whole or not at all, whenever the power goes, and is
// forgotten with the owners.
func TestPowerCutWhileAnAccountIsGiven(t *testing.T) {
	m := statetest.New(nil)
	dir, err := state.Open("/state", m)
	if err != nil {
		t.Fatal(err)
	}
	known, err := remember(dir, "box", Env{}.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	confirm(t, known.owners, record(t, "romeo@phone"), trust.LAN)
	from := m.Count()
	allowed := map[int][]string{}
	last := "none"
	for _, step := range []struct {
		then string
		do   func() error
	}{
		{"box@home.example secret", func() error { return known.keepAccount(given("box@home.example", "secret")) }},
		{"box@work.example other", func() error { return known.keepAccount(given("box@work.example", "other")) }},
		{"none", known.wipe},
	} {
		begin := m.Count()
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		for n := begin + 1; n < m.Count(); n++ {
			allowed[n] = []string{last, step.then}
		}
		last = step.then
		allowed[m.Count()] = []string{last}
	}
	if _, err := known.store.Read(accountFile); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a wipe leaves the account: %v", err)
	}
	cuts := 0
	for n := from + 1; n <= m.Count(); n++ {
		for _, files := range statetest.PowerCuts(nil, m.Ops()[:n]) {
			cuts++
			if got := accountOn(t, files); !slices.Contains(allowed[n], got) {
				t.Fatalf("after %d operations: %s, want one of %q", n, got, allowed[n])
			}
		}
	}
	t.Logf("%d power cuts", cuts)
}

// accountOn is the account of a device that starts on a folder.
func accountOn(t *testing.T, files snapshot) string {
	t.Helper()
	dir, err := state.Open("/state", statetest.New(files))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	known, err := remember(dir, "box", Env{}.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	l := &life{cfg: &Config{}, memory: known, log: slog.New(slog.DiscardHandler)}
	a, err := l.recallAccount()
	if err != nil {
		return err.Error()
	}
	if a == nil {
		return "none"
	}
	password, err := a.password()
	if err != nil {
		t.Fatal(err)
	}
	return a.jid.String() + " " + password
}
