package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"mellium.im/xmpp/jid"

	"xtls-agent/internal/state"
	"xtls-agent/owner"
	"xtls-agent/trust"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/lan"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// nowhere is a LAN that knows nobody.
func nowhere(_ context.Context, device jid.JID) ([]string, error) {
	return nil, &owner.UnreachableError{Addr: device.String(), Err: errors.New("nobody announces it")}
}

func open(t *testing.T, dir string) *Client {
	t.Helper()
	c, err := Open(Config{Dir: dir, Resolve: nowhere})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// befriend puts the record of a device into the keyring, as pairing does.
func befriend(t *testing.T, c *Client, device, name string) owner.Device {
	t.Helper()
	id, err := trust.LoadIdentity(trust.NewMemStore(), device, time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r := trust.Record{JID: jid.MustParse(device), DER: id.DER(), Name: name, Created: time.Now(), Link: trust.LAN}
	if err := c.keys.Devices.AddProvisional(r); err != nil {
		t.Fatal(err)
	}
	r, _, err = c.keys.Devices.Confirm(r.JID, trust.FingerprintOf(r.DER), trust.LAN)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestTarget(t *testing.T) {
	c := open(t, t.TempDir())
	befriend(t, c, "living-room\\20box@pi", "lamp")
	befriend(t, c, "box@home.example", "Kitchen light")
	befriend(t, c, "twin@one.example", "")
	befriend(t, c, "twin@two.example", "")
	for _, test := range []struct{ text, jid, addr string }{
		{"lamp", "living-room\\20box@pi", ""},
		{"Living-room box", "living-room\\20box@pi", ""},
		{"living-room\\20box@pi", "living-room\\20box@pi", ""},
		{"Kitchen light", "box@home.example", ""},
		{"box", "box@home.example", ""},
		{"stranger@home.example", "stranger@home.example", ""},
		{"box@home.example/full", "box@home.example/full", ""},
		{"lan:192.0.2.1", "", "192.0.2.1:5298"},
		{"lan:box.local:6000", "", "box.local:6000"},
		{"lan:[2001:db8::1]:6000", "", "[2001:db8::1]:6000"},
		{"XMPP:box@home.example?xtls-pair;pin=31415926", "box@home.example", ""},
	} {
		got, err := c.Target(test.text)
		if err != nil || got.JID.String() != test.jid || got.Addr != test.addr {
			t.Errorf("%s: %v %q, %v", test.text, got.JID, got.Addr, err)
		}
		if got.PIN.IsZero() == strings.Contains(test.text, "pin=") {
			t.Errorf("%s: PIN %v", test.text, got.PIN)
		}
	}
}

func TestTargetRefused(t *testing.T) {
	c := open(t, t.TempDir())
	befriend(t, c, "twin@one.example", "")
	befriend(t, c, "twin@two.example", "")
	var usage *UsageError
	for _, text := range []string{"@home.example", "a@@b", "lan:", "lan:host:port", "lan:host:0", "xmpp:box@home.example", "xmpp:box@home.example?xtls-pair;pin=12", "twin"} {
		if got, err := c.Target(text); !errors.As(err, &usage) {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "nobody", "home.example"} {
		if _, err := c.Target(text); !errors.Is(err, ErrUnknownName) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := c.Target("xmpp:box@home.example?xtls-pair;pin=1234567x"); err == nil || strings.Contains(err.Error(), "1234567") {
		t.Errorf("an error quotes a PIN: %v", err)
	}
}

func TestNames(t *testing.T) {
	for _, name := range []string{"a@b", "a/b", "lan:x", "-x", strings.Repeat("x", 65), "two\nlines", " x"} {
		if checkName(name) == nil {
			t.Errorf("%q may be a name", name)
		}
	}
	c := open(t, t.TempDir())
	d := befriend(t, c, "box@home.example", "lamp")
	if c.checkFree("lamp", d.JID) != nil || c.checkFree("lamp", jid.MustParse("other@home.example")) == nil {
		t.Error("a name must be one device's")
	}
}

// TestAccountIsKeptPrivate: no verb of fmt prints the password, and only the user can read the file.
func TestAccountIsKeptPrivate(t *testing.T) {
	a, err := NewAccount("romeo@home.example", "hunter2", "host.example:5222", "", LinkC2S)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if text := fmt.Sprintf(verb, a) + fmt.Sprintf(verb, *a); strings.Contains(text, "hunter2") {
			t.Errorf("%s prints the password: %s", verb, text)
		}
	}
	dir := filepath.Join(t.TempDir(), "ctl")
	c := open(t, dir)
	if err := a.store(c.folder); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir)
	if got := again.account; got == nil || got.Password() != "hunter2" || got.Server != a.Server || got.Link != LinkC2S || !got.JID.Equal(a.JID) {
		t.Fatalf("read back: %+v", got)
	}
	if again.Self().String() != "romeo@home.example" {
		t.Errorf("with an account the client is %s", again.Self())
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) < 4 {
		t.Fatalf("files %v, %v", files, err)
	}
	for _, f := range files {
		if info, err := os.Stat(f); err != nil || runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", f, info.Mode(), err)
		}
	}
	if err := again.Logout(); err != nil {
		t.Fatal(err)
	}
	if _, ok := open(t, dir).Account(); ok {
		t.Error("the account outlived its logout")
	}
}

func TestAccountRefused(t *testing.T) {
	for _, a := range [][4]string{
		{"nonsense", "", "", LinkC2S}, {"a@b/c", "", "", LinkC2S}, {"a@@b", "", "", LinkC2S}, {"a@b", "host", "", LinkC2S},
		{"a@b", ":5222", "", LinkC2S}, {"a@b", "host:0", "", LinkC2S}, {"a@b", "host:99999", "", LinkC2S}, {"a@b", "", "", "telnet"},
		{"a@b", "", "missing.pem", LinkC2S}, {"a@b", "", t.TempDir(), LinkC2S},
	} {
		var usage *UsageError
		if _, err := NewAccount(a[0], "password", a[1], a[2], a[3]); !errors.As(err, &usage) {
			t.Errorf("%q: %v", a, err)
		}
	}
}

// TestSelfOutlastsTheMachinesName: devices know this client by it.
func TestSelfOutlastsTheMachinesName(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir)
	if err := c.folder.Write(selfFile, []byte("romeo@before")); err != nil {
		t.Fatal(err)
	}
	if got := open(t, dir).Self().String(); got != "romeo@before" {
		t.Errorf("the client is now %s", got)
	}
}

func TestOpenExistingMakesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	if _, err := OpenExisting(Config{Dir: dir}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder was made: %v", err)
	}
}

// TestFolderIsShared: runs of the program at the same time wait for each other, and lose nothing.
func TestFolderIsShared(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	var running sync.WaitGroup
	for i := range 8 {
		c := open(t, dir)
		running.Go(func() {
			befriend(t, c, fmt.Sprintf("box%d@home.example", i), "")
			if err := c.updatePlace(fmt.Sprint("box", i), func(p *place) { p.Addr = "192.0.2.1:1" }); err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
	last := open(t, dir)
	if len(last.Devices()) != 8 || len(last.places) != 8 {
		t.Errorf("%d devices, %d places", len(last.Devices()), len(last.places))
	}
}

func TestFolderThatStaysLocked(t *testing.T) {
	dir := t.TempDir()
	other, err := state.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	f := &folder{path: dir, patience: 50 * time.Millisecond}
	if _, err := f.Read("x"); err == nil || !strings.Contains(err.Error(), "another xtlsctl") {
		t.Errorf("reading: %v", err)
	}
	if _, err := f.Hold(); err == nil {
		t.Error("held what another process has")
	}
}

// machine is somebody on the LAN, who calls himself name.
func machine(t *testing.T, name string) (addr string) {
	t.Helper()
	l, err := lan.Listen(t.Context(), lan.Config{Addr: "127.0.0.1:0", Local: jid.MustParse(name)})
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			link, err := l.Accept(context.Background())
			if err != nil {
				return
			}
			served.Go(func() { _ = xmpp.NewSession(link, nil).Serve(context.Background()) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		served.Wait()
	})
	return l.Addr().String()
}

// connectTo goes the ways to a device until one leads somewhere.
func connectTo(t *testing.T, c *Client, device string) (*connection, []failure) {
	t.Helper()
	target, err := c.Target(device)
	if err != nil {
		t.Fatal(err)
	}
	var failures []failure
	for _, w := range c.ways(target) {
		conn, err := c.connect(t.Context(), w)
		if err == nil {
			t.Cleanup(conn.Close)
			return conn, failures
		}
		failures = append(failures, failure{w, err})
	}
	return nil, failures
}

// TestWays: where the device was seen last; if another has that address now, wherever it is found.
func TestWays(t *testing.T) {
	c := open(t, t.TempDir())
	befriend(t, c, "box@pi", "lamp")
	stranger, device := machine(t, "stranger@pi"), machine(t, "box@pi")
	remember := func(addr, as string) {
		if err := c.updatePlace("box@pi", func(p *place) { p.Addr, p.As = addr, as }); err != nil {
			t.Fatal(err)
		}
	}
	remember(device, "romeo@earlier")
	conn, _ := connectTo(t, c, "lamp")
	if conn == nil || conn.addr != device {
		t.Fatalf("not where it was last: %+v", conn)
	}
	if as := conn.Session().LocalAddr().String(); as != "romeo@earlier" {
		t.Errorf("the device, which knows romeo@earlier, was called by %s", as)
	}

	remember(stranger, "")
	if conn, failures := connectTo(t, c, "lamp"); conn != nil || len(failures) != 2 {
		t.Fatalf("took a stranger for the device: %v", failures)
	}

	c.cfg.Resolve = func(context.Context, jid.JID) ([]string, error) { return []string{stranger, device}, nil }
	conn, _ = connectTo(t, c, "lamp")
	if conn == nil || conn.addr != device || conn.Session().LocalAddr().String() != c.Self().String() {
		t.Fatalf("not where it was found: %+v", conn)
	}
}

func TestWaysOfAnAccount(t *testing.T) {
	c := open(t, t.TempDir())
	texts := func(target Target) (out []string) {
		for _, w := range c.ways(target) {
			out = append(out, w.text)
		}
		return out
	}
	bare, full := jid.MustParse("box@pi"), jid.MustParse("box@pi/r")
	if got := texts(Target{JID: full}); len(got) != 0 {
		t.Errorf("a full JID without an account: %v", got)
	}
	if err := c.explain(Target{Text: "box@pi/r", JID: full}, nil); !errors.Is(err, ErrNoAccount) {
		t.Errorf("that is explained as %v", err)
	}
	c.account = &Account{JID: jid.MustParse("romeo@home.example")}
	if got := fmt.Sprint(texts(Target{JID: full})); got != "[home.example]" {
		t.Errorf("a full JID is used as it is: %v", got)
	}
	if got := fmt.Sprint(texts(Target{JID: bare})); got != "[the LAN home.example]" {
		t.Errorf("a bare JID: %v", got)
	}
	if got := fmt.Sprint(texts(Target{Addr: "192.0.2.1:5298"})); got != "[lan:192.0.2.1:5298]" {
		t.Errorf("an address: %v", got)
	}
}

// TestExplain: what somebody said counts more than that nobody answered.
func TestExplain(t *testing.T) {
	c := open(t, t.TempDir())
	gone := &owner.UnreachableError{Addr: "x", Err: errors.New("gone")}
	for _, order := range [][]error{{gone, owner.ErrNotKnown}, {owner.ErrNotKnown, gone}} {
		var failures []failure
		for _, err := range order {
			failures = append(failures, failure{way{}, err})
		}
		if err := c.explain(Target{Text: "lamp"}, failures); !errors.Is(err, owner.ErrNotKnown) {
			t.Errorf("%v: %v", order, err)
		}
	}
	err := c.explain(Target{Text: "lamp"}, []failure{{way{lan: true}, gone}})
	if !errors.Is(err, owner.ErrUnreachable) || !strings.Contains(err.Error(), "xtlsctl login") {
		t.Errorf("without an account: %v", err)
	}
}

func TestManyWrongPINs(t *testing.T) {
	c := open(t, t.TempDir())
	for i := 1; i <= 4; i++ {
		var wrong *WrongPINError
		err := c.wrongPIN("box@pi", owner.ErrWrongPIN)
		if !errors.As(err, &wrong) || !errors.Is(err, owner.ErrWrongPIN) || wrong.Many != (i >= 3) {
			t.Errorf("try %d: %+v", i, err)
		}
	}
}

func TestOpenUnpaired(t *testing.T) {
	c := open(t, t.TempDir())
	target, err := c.Target("box@home.example")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Open(t.Context(), target); !errors.Is(err, owner.ErrNotPaired) {
		t.Errorf("%v", err)
	}
	if _, err := c.Forget(t.Context(), target); !errors.Is(err, owner.ErrNotPaired) {
		t.Errorf("%v", err)
	}
}
