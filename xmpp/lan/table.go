package lan

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// quietBeforeEviction is how long a peer must have been silent before his connection may be given up for a new one: a
// connection that somebody opened and forgot holds its place only while nobody else needs it.
const quietBeforeEviction = time.Minute

var (
	errFull     = errors.New("too many connections")
	errHostFull = errors.New("too many connections from this address")
)

// table counts connections, in all and by host.
type table struct {
	max, maxPerHost int
	now             func() time.Time

	mu    sync.Mutex // guards conns
	conns map[*tableConn]netip.Addr
}

func newTable(maxConns, maxPerHost int) *table {
	return &table{max: maxConns, maxPerHost: maxPerHost, now: time.Now, conns: make(map[*tableConn]netip.Addr)}
}

// tableConn is a connection that leaves its table when it is closed.
type tableConn struct {
	net.Conn
	table *table
	heard atomic.Pointer[time.Time] // when the peer last sent something
}

// admit enters a connection. If there is no room it closes one that has been quiet for long, if there is one.
func (t *table) admit(conn net.Conn) (*tableConn, error) {
	c := &tableConn{Conn: conn, table: t}
	c.hear()
	quiet, err := t.enter(c, hostOf(conn.RemoteAddr()))
	if quiet != nil {
		_ = quiet.Conn.Close() // out of the table already
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (t *table) enter(c *tableConn, host netip.Addr) (evicted *tableConn, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var sameHost int
	var quietest, quietestHere *tableConn
	for other, h := range t.conns {
		quietest = quieter(quietest, other)
		if h == host {
			sameHost++
			quietestHere = quieter(quietestHere, other)
		}
	}
	var full error
	switch {
	case sameHost >= t.maxPerHost:
		evicted, full = quietestHere, errHostFull
	case len(t.conns) >= t.max:
		evicted, full = quietest, errFull
	}
	if full != nil {
		if t.now().Sub(*evicted.heard.Load()) < quietBeforeEviction {
			return nil, full
		}
		delete(t.conns, evicted)
	}
	t.conns[c] = host
	return evicted, nil
}

// quieter returns the one of two connections that was heard of less recently.
func quieter(a, b *tableConn) *tableConn {
	if a == nil || b.heard.Load().Before(*a.heard.Load()) {
		return b
	}
	return a
}

func (c *tableConn) hear() {
	now := c.table.now()
	c.heard.Store(&now)
}

func (c *tableConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.hear()
	}
	return n, err
}

func (c *tableConn) Close() error {
	c.table.mu.Lock()
	delete(c.table.conns, c)
	c.table.mu.Unlock()
	return c.Conn.Close()
}
