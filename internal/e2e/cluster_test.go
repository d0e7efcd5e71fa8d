package e2e

import (
	"testing"

	"xtls-agent/internal/testpeer"
)

// The node of a cluster is killed that holds the device's session, and the owner's: both go on at the other node, to which their line leads
// from then on. When the node is back nothing changes; when the other is killed, the same again.
func TestClusterNodeIsKilled(t *testing.T) {
	t.Parallel()
	cluster := testpeer.EjabberdCluster(t, testpeer.XMPPOptions{})
	// Everybody's connections lead through one place, as through a balancer; it opens new ones where somebody answers.
	balancer := testpeer.NewRelay(t, cluster.Nodes[0].Addr)
	server := *cluster.Nodes[0]
	server.Addr = balancer.Addr
	c := newCounterAt(newWorld(t), &server, "3", cells["c2s and go-xmpp"])
	for i, who := range []string{"juliet", "nurse"} {
		r, before := c.begin(who), c.comings()
		balancer.Lead(cluster.Nodes[1-i].Addr)
		cluster.Kill(t, i)
		c.comesBack(before, back)
		c.answered(r, who)
		cluster.Nodes[i].Start(t)
		c.works(who + "'s page")
	}
}
