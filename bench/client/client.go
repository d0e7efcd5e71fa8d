// Package client runs clients that others would use where xtls-agent has its own link to a server, each in a process of its own:
// python3-slixmpp, which resumes streams (XEP-0198), and go-xmpp, which logs in by a token (XEP-0484).
//
// A client reads an [account.Account] from its standard input, logs in by direct TLS, asks for a ping, and prints a line when that is
// answered: an [account.Answer]. It does so again each time its connection was lost.
package client

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	upstream "github.com/xmppo/go-xmpp"

	"xtls-agent/bench/client/account"
	"xtls-agent/bench/program"
	"xtls-agent/internal/testpeer"
)

// A Kind is one of the clients.
type Kind struct {
	Name string // for a reader, with its version
	// CameBack tells whether an answer came on a connection that the client got in its best way.
	CameBack func(account.Answer) bool

	start func(t testing.TB) *testpeer.Process
}

//go:embed onslixmpp.py
var slixmppScript string

// Slixmpp is python3-slixmpp. It fails t where that is missing.
func Slixmpp(t testing.TB) Kind {
	t.Helper()
	script := filepath.Join(t.TempDir(), "onslixmpp.py") // not slixmpp.py, which it imports
	if err := os.WriteFile(script, []byte(slixmppScript), 0o600); err != nil {
		t.Fatal(err)
	}
	version, err := exec.CommandContext(t.Context(), python, script, "--version").Output()
	if err != nil {
		t.Fatalf("python3-slixmpp: %v (run `make peers`)", err)
	}
	return Kind{
		Name: "slixmpp " + strings.TrimSpace(string(version)), CameBack: func(a account.Answer) bool { return a.Resumed },
		start: func(t testing.TB) *testpeer.Process {
			return testpeer.Start(t, testpeer.Spec{Path: python, Args: []string{script}})
		},
	}
}

// python is Debian's: its packages are not seen by another.
const python = "/usr/bin/python3"

// GoXMPP is go-xmpp.
func GoXMPP(t testing.TB) Kind {
	t.Helper()
	path := program.Go(t, "xtls-agent/bench/client/goxmpp", program.Build{Flags: []string{"-ldflags=-s -w"}})
	return Kind{
		Name: "go-xmpp " + upstream.Version, CameBack: func(a account.Answer) bool { return a.Token },
		start: func(t testing.TB) *testpeer.Process { return testpeer.Start(t, testpeer.Spec{Path: path}) },
	}
}

// A Client is one that runs.
type Client struct {
	*testpeer.Process
	kind    Kind
	answers chan account.Answer
}

// Start starts a client, which ends with the test or row. server is the address that it is told; of to it asks a ping.
func (k Kind) Start(t testing.TB, a account.Account, server string) *Client {
	t.Helper()
	host, port, err := net.SplitHostPort(server)
	if err != nil {
		t.Fatal(err)
	}
	a.Host = host
	if a.Port, err = strconv.Atoi(port); err != nil {
		t.Fatal(err)
	}
	line, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	c := &Client{Process: k.start(t), kind: k, answers: make(chan account.Answer)}
	if _, err := c.Stdin.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	go c.read(ctx) // ends with the process
	return c
}

func (c *Client) read(ctx context.Context) {
	defer close(c.answers)
	for lines := bufio.NewScanner(c.Stdout()); lines.Scan(); {
		var a account.Answer
		if json.Unmarshal(lines.Bytes(), &a) != nil {
			return
		}
		select {
		case c.answers <- a:
		case <-ctx.Done():
			return
		}
	}
}

// patience is how long a client may take to come back.
const patience = time.Minute

// Answer waits for the next answer.
func (c *Client) Answer(t testing.TB) account.Answer {
	t.Helper()
	select {
	case a, ok := <-c.answers:
		if ok {
			return a
		}
		t.Fatalf("%s has ended:\n%s", c.kind.Name, c.Output())
	case <-time.After(patience):
		t.Fatalf("%s is not back after %v:\n%s", c.kind.Name, patience, c.Output())
	}
	return account.Answer{}
}
