package c2s

import (
	"net"
	"syscall"
	"time"
)

// newDialer makes TCP connections that end by themselves when the other side has gone: while something is on its way within
// unsentTimeout where the system can do that, else by probes.
func newDialer() *net.Dialer {
	return &net.Dialer{
		KeepAlive: 2 * time.Minute, // an idle link asks for more often than that, if the server can answer
		Control: func(_, _ string, c syscall.RawConn) error {
			return c.Control(func(fd uintptr) { setUnsentTimeout(fd, unsentTimeout) })
		},
	}
}

// unsentTimeout is how long bytes may stay without the other side's TCP acknowledging them.
const unsentTimeout = 30 * time.Second
