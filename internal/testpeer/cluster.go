package testpeer

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Cluster is two ejabberds that are one server: the same domain, accounts and sessions, on ports of their own. Each can be killed and
// started again alone, and is then a part of the cluster as before. Where both have ended, the one that ended last is to be started first:
// the other waits for it, since it alone knows the latest.
type Cluster struct {
	Nodes [2]*XMPPServer

	members [2]*ejabberd
}

// EjabberdCluster starts two nodes, and has the second join the first.
func EjabberdCluster(t testing.TB, opts XMPPOptions) *Cluster {
	t.Helper()
	opts.Domain = orDefault(opts.Domain, "home.test")
	if opts.Authority == nil {
		opts.Authority = NewAuthority(t)
	}
	if opts.Certificate == nil {
		opts.Certificate = opts.Authority.Issue(t, Validity{}, opts.Domain)
	}
	c, cookie, port := &Cluster{}, rand.Text(), 0
	c.start(t, 0, opts, func() *erlangNode {
		port = FreePort(t)
		return &erlangNode{host: "127.0.0.1", port: port, cookie: cookie}
	})
	c.start(t, 1, opts, func() *erlangNode { return &erlangNode{host: "127.0.0.2", port: port, cookie: cookie} })
	if err := errors.Join(c.members[1].join(c.members[0]), c.members[1].waitListening(c.Nodes[1].process)); err != nil {
		t.Fatal(err)
	}
	return c
}

// start starts a node, under the name that name gives it.
func (c *Cluster) start(t testing.TB, i int, opts XMPPOptions, name func() *erlangNode) {
	t.Helper()
	c.Nodes[i] = newXMPPServer(t, opts, func(s *XMPPServer, cert *Certificate) backend {
		e := newEjabberd(t, opts, s, cert)
		e.node = name()
		e.node.leaveCookie(t, e.dir)
		c.members[i] = e
		return e
	})
}

// Kill ends a node with no word to anybody, and returns when the other knows.
func (c *Cluster) Kill(t testing.TB, i int) {
	t.Helper()
	c.Nodes[i].Kill(t)
	if c.Nodes[1-i].process == nil {
		return
	}
	if err := within(readyTimeout, func() bool { return !c.sees(1 - i) }); err != nil {
		t.Fatalf("testpeer: the other node does not see that one was killed: %v", err)
	}
}

// Sessions is how many sessions there are at both nodes, as one that runs says.
func (c *Cluster) Sessions(t testing.TB) int {
	t.Helper()
	for i, node := range c.Nodes {
		if node.process == nil {
			continue
		}
		said, err := c.members[i].command("connected_users_number", map[string]string{})
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(strings.TrimSpace(string(said)))
		if err != nil {
			t.Fatalf("testpeer: ejabberd has %s sessions", said)
		}
		return n
	}
	t.Fatal("testpeer: no node of the cluster runs")
	return 0
}

// sees reports whether a node runs, and has the other in its cluster.
func (c *Cluster) sees(i int) bool { return c.members[i].sees(c.members[1-i]) }

// erlangNode is how a node is called and found by others. All nodes of a cluster have the same port, each on an address of its own within
// 127.0.0.0/8: so none has to ask an epmd where the other listens, which would outlive them, and which all tests would share.
type erlangNode struct {
	host   string
	port   int
	cookie string
}

func (n *erlangNode) name() string { return "ejabberd@" + n.host }

// flags are what erl is told of it.
func (n *erlangNode) flags() []string {
	if n == nil {
		return nil
	}
	tuple := "{" + strings.ReplaceAll(n.host, ".", ",") + "}"
	return []string{
		"-name", n.name(), "-start_epmd", "false", "-erl_epmd_port", strconv.Itoa(n.port), "-kernel", "inet_dist_use_interface", tuple,
	}
}

// leaveCookie puts what the nodes know each other by where erl looks for it. On its command line everybody could read it.
func (n *erlangNode) leaveCookie(t testing.TB, home string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(home, ".erlang.cookie"), []byte(n.cookie), 0o400); err != nil {
		t.Fatalf("testpeer: %v", err)
	}
}

// join makes e a part of the cluster of other. It forgets what it has stored, and takes over what other has.
func (e *ejabberd) join(other *ejabberd) error {
	if _, err := e.command("join_cluster", map[string]string{"node": other.node.name()}); err != nil {
		return err
	}
	// It restarts in a second; its tables are there before it answers again.
	if err := within(readyTimeout, func() bool { return e.sees(other) }); err != nil {
		return fmt.Errorf("testpeer: %s does not join %s: %w", e.node.name(), other.node.name(), err)
	}
	return nil
}

// within waits until it is so.
func within(limit time.Duration, isSo func() bool) error {
	for deadline := time.Now().Add(limit); !isSo(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("not within %v", limit)
		}
	}
	return nil
}

// sees reports whether e runs, and has other in its cluster.
func (e *ejabberd) sees(other *ejabberd) bool {
	said, err := e.command("list_cluster", map[string]string{})
	var nodes []string
	return err == nil && json.Unmarshal(said, &nodes) == nil && slices.Contains(nodes, other.node.name())
}
