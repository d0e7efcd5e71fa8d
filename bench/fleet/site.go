package main

import (
	"crypto/rand"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"xtls-agent/internal/testpeer"
)

// domain is the fleet's.
const domain = "fleet.example"

// site is where the fleet lives: a cluster, a name server that names both its nodes, and accounts.
type site struct {
	cluster      *testpeer.Cluster
	dir          string // of the agents
	password     string // the same for all
	passwordFile string
	caFile       string
}

// newSite starts it. The whole process asks its name server from then on.
func newSite(t testing.TB) *site {
	names := testpeer.NewDNS(t)
	c := testpeer.EjabberdCluster(t, testpeer.XMPPOptions{Domain: domain})
	names.ShareSRV("_xmpps-client._tcp."+domain, c.Nodes[0].DirectAddr, c.Nodes[1].DirectAddr)
	before := net.DefaultResolver
	net.DefaultResolver = names.Resolver()
	t.Cleanup(func() { net.DefaultResolver = before })
	s := &site{cluster: c, dir: t.TempDir(), password: rand.Text(), caFile: c.Nodes[0].CAFile}
	s.passwordFile = filepath.Join(s.dir, "password")
	if err := os.WriteFile(s.passwordFile, []byte(s.password), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// register makes accounts, four at a time: a server hashes each password some thousand times.
func (s *site) register(t testing.TB, users []string, progress func(done int)) {
	var next, done atomic.Int64
	var working sync.WaitGroup
	for range 4 {
		working.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(users)) && !t.Failed(); i = next.Add(1) - 1 {
				s.cluster.Nodes[i%2].Register(t, users[i], s.password)
				progress(int(done.Add(1)))
			}
		})
	}
	working.Wait()
	if t.Failed() {
		t.FailNow()
	}
}
