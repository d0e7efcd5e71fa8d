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
	table  *table
	heard  atomic.Pointer[time.Time] // when the peer last sent something
	proven atomic.Bool               // it gives way to nobody
}

// admit enters a connection. If there is no room it closes one of who holds more than others, or one that has been quiet for
// long, if there is one.
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
	holds := make(map[netip.Addr]int)
	for _, h := range t.conns {
		holds[h]++
	}
	switch {
	case holds[host] >= t.maxPerHost:
		evicted, err = t.quiet(func(h netip.Addr) bool { return h == host }), errHostFull
	case len(t.conns) >= t.max:
		evicted, err = t.greedy(holds, holds[host]+1), errFull
	default:
		t.conns[c] = host
		return nil, nil
	}
	if evicted == nil {
		return nil, err
	}
	delete(t.conns, evicted)
	t.conns[c] = host
	return evicted, nil
}

// greedy returns what gives way for somebody who will hold so many: the quietest connection of who holds most, if that is
// more. Nobody can keep others out by holding many, from a few addresses. Else it is one that has been quiet for long.
func (t *table) greedy(holds map[netip.Addr]int, willHold int) *tableConn {
	var greedy *tableConn
	for host, n := range holds {
		if n <= willHold || greedy != nil && n <= holds[t.conns[greedy]] {
			continue
		}
		if c := t.quietest(func(h netip.Addr) bool { return h == host }); c != nil {
			greedy = c
		}
	}
	if greedy != nil {
		return greedy
	}
	return t.quiet(func(netip.Addr) bool { return true })
}

// quiet returns the quietest connection of those hosts, if it has been quiet for long.
func (t *table) quiet(of func(netip.Addr) bool) *tableConn {
	c := t.quietest(of)
	if c == nil || t.now().Sub(*c.heard.Load()) < quietBeforeEviction {
		return nil
	}
	return c
}

func (t *table) quietest(of func(netip.Addr) bool) (c *tableConn) {
	for other, h := range t.conns {
		if of(h) && !other.proven.Load() {
			c = quieter(c, other)
		}
	}
	return c
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
