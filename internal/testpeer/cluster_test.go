package testpeer

import "testing"

// A node that is killed is a part of the cluster again when it is back, and so are both that were.
func TestEjabberdCluster(t *testing.T) {
	t.Parallel()
	c := EjabberdCluster(t, XMPPOptions{})
	for i, s := range c.Nodes {
		if !c.sees(i) || !c.sees(1-i) {
			t.Fatalf("no cluster before node %d is killed", i)
		}
		c.Kill(t, i)
		dialTLS(t, c.Nodes[1-i])
		s.Start(t)
		dialTLS(t, s)
	}
	c.Kill(t, 0)
	c.Kill(t, 1)
	c.Nodes[1].Start(t) // the last to go
	c.Nodes[0].Start(t)
	if !c.sees(0) || !c.sees(1) {
		t.Error("no cluster is left")
	}
}
