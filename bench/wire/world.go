package wire

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/agent"
	"xtls-agent/bench/screen"
	"xtls-agent/hw/display"
	"xtls-agent/internal/testpeer"
	"xtls-agent/owner"
	"xtls-agent/trust"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/c2s"
)

// account is one of a server's.
type account struct {
	server   *testpeer.XMPPServer
	jid      jid.JID
	password string
}

func newAccount(t testing.TB, s *testpeer.XMPPServer, user string) account {
	bare, password := s.Account(t, user)
	return account{s, jid.MustParse(bare), password}
}

// dial logs in as the program does, by direct TLS.
func (a account) dial(t testing.TB) xmpp.Link { return a.dialAt(t, a.server.DirectAddr) }

// dialAt does so where a relay listens.
func (a account) dialAt(t testing.TB, addr string) xmpp.Link {
	ctx, cancel := context.WithTimeout(t.Context(), setupTimeout)
	defer cancel()
	link, err := c2s.Dial(ctx, c2s.Config{
		JID: a.jid, Password: func() (string, error) { return a.password, nil },
		Server: addr, Roots: a.server.Roots, Mode: c2s.DirectTLS,
	})
	if err != nil {
		t.Fatal(err)
	}
	return link
}

// couple is a device and an owner on one server, who have paired.
type couple struct {
	owner  account
	keys   *owner.Keyring
	device jid.JID // full
}

// newCouple starts a device on the server, and pairs an owner with it.
func newCouple(t testing.TB, s *testpeer.XMPPServer) *couple {
	box := startDevice(t, newAccount(t, s, "box"))
	keys, err := owner.LoadKeyring(trust.NewMemStore(), "phone", time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &couple{owner: newAccount(t, s, "romeo"), keys: keys}
	o := owner.New(c.owner.dial(t), keys, owner.Config{})
	defer o.Close()
	ctx, cancel := context.WithTimeout(t.Context(), setupTimeout)
	defer cancel()
	c.device, err = o.Find(ctx, jid.MustParse("box@"+s.Domain))
	if err != nil {
		t.Fatal(err)
	}
	paired, err := o.Pair(ctx, owner.Request{Device: c.device, PIN: box.PIN})
	if err != nil {
		t.Fatal(err)
	}
	paired.Session.Close()
	return c
}

// deviceConfig is a device that is reached through its server alone.
const deviceConfig = `
name = "Bench box"
display = ["term:"]
run_dir = %q
[xmpp]
jid = %q
password_file = %q
server = %q
ca_file = %q
[lan]
enabled = false
`

// startDevice runs the agent until the test or row ends, and returns its display.
func startDevice(t testing.TB, a account) *screen.Screen {
	dir := t.TempDir()
	password := filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte(a.password), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := agent.ParseConfig(fmt.Appendf(nil, deviceConfig, dir, a.jid, password, a.server.Addr, a.server.CAFile))
	if err != nil {
		t.Fatal(err)
	}
	s := screen.New()
	device := agent.New(cfg, trust.NewMemStore(), agent.Env{
		Display: display.Env{Stdout: s, IsTerminal: func() bool { return true }},
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- device.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the device: %v", err)
		}
	})
	return s
}

// serve runs a session until the test or row ends.
func serve(t testing.TB, s *xmpp.Session) {
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.Serve(context.Background()) }) // ends with Close
	t.Cleanup(func() {
		_ = s.Close()
		serving.Wait()
	})
}
