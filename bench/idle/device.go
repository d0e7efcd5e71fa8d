package idle

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/bench/program"
	"xtls-agent/bench/row"
	"xtls-agent/internal/testpeer"
	"xtls-agent/owner"
	"xtls-agent/trust"
	"xtls-agent/xmpp/c2s"
)

// deviceConfig is a box with a label and a button, which is reached through its server alone.
const deviceConfig = `name = "box"
display = ["none:"]
button = ["socket:%[1]s/button"]
state_dir = "%[1]s/state"
run_dir = "%[1]s/run"
[pairing]
mode = "fixed"
pin_file = "%[1]s/pin"
[lan]
enabled = false
[xmpp]
jid = %[2]q
password_file = "%[1]s/password"
server = %[3]q
ca_file = %[4]q
`

// label is the PIN on the box.
const label = "4815 1623"

// patience is how long something may take that happens at once on an idle machine.
const patience = 30 * time.Second

// startAgent starts the program as it is packaged, and pairs it with an owner, who leaves then.
func startAgent(t *row.T, server *testpeer.XMPPServer) idler {
	dir, relay := t.TempDir(), testpeer.NewRelay(t, server.DirectAddr)
	bare, password := server.Account(t, "box")
	for name, text := range map[string]string{
		"config.toml": fmt.Sprintf(deviceConfig, dir, bare, relay.Addr, server.CAFile), "pin": label + "\n", "password": password + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := program.Go(t, "xtls-agent/cmd/xtls-agent", program.Build{Dir: program.Agent(t), Flags: []string{"-ldflags=-s -w"}})
	process := testpeer.Start(t, testpeer.Spec{Path: path, Args: []string{"run", "--config", filepath.Join(dir, "config.toml")}, Grace: 5 * time.Second})
	press(t, filepath.Join(dir, "button"))
	pair(t, server, jid.MustParse(bare))
	return idler{agentName, agentName, process, relay}
}

// press presses the button, once it is there.
func press(t *row.T, button string) {
	var conn net.Conn
	var err error
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if conn, err = net.DialTimeout("unix", button, patience); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "press\n"); err != nil {
		t.Fatal(err)
	}
	if answer, err := bufio.NewReader(conn).ReadString('\n'); err != nil || answer != "ok\n" {
		t.Fatalf("the button answers %q, %v", answer, err)
	}
}

// pair pairs an owner with the device, with what is printed on it.
func pair(t *row.T, server *testpeer.XMPPServer, device jid.JID) {
	bare, password := server.Account(t, "romeo")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	link, err := c2s.Dial(ctx, c2s.Config{
		JID: jid.MustParse(bare), Password: func() (string, error) { return password, nil },
		Server: server.DirectAddr, Roots: server.Roots, Mode: c2s.DirectTLS,
	})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := owner.LoadKeyring(trust.NewMemStore(), "phone", time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	o := owner.New(link, keys, owner.Config{})
	defer o.Close()
	full, err := o.Find(ctx, device)
	if err != nil {
		t.Fatal(err)
	}
	p, err := o.Pair(ctx, owner.Request{Device: full, PIN: func(context.Context) (owner.PIN, error) { return owner.ParsePIN(label) }})
	if err != nil {
		t.Fatal(err)
	}
	p.Session.Close()
}
