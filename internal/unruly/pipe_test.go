package unruly

import (
	"net"
	"testing"

	"golang.org/x/net/nettest"
)

func TestPipe(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		c1, c2 = newPipe()
		return c1, c2, func() { _ = c1.Close(); _ = c2.Close() }, nil
	})
}
