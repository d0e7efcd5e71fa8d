package testpeer

import (
	"net"
	"sync"
	"testing"
	"time"
)

// Relay is a TCP relay on loopback through which a test can take a connection away, hold it, or spoil what it carries. What it does by
// a plan drawn at random stands in internal/faults.
type Relay struct {
	Addr string // where it listens

	listener net.Listener
	running  sync.WaitGroup

	mu       sync.Mutex // guards what follows
	target   string
	thaw     *sync.Cond
	line     Line
	passages map[*passage]struct{}
	frozen   bool
	closed   bool
	stall    *stall
	mark     [2]*mark // by direction
	flip     [2]byte  // bits of the next byte that way which become others
	wires    uint64   // so many there were
	bytes    int      // taken from either side so far
	taken    int      // connections
}

// A Direction is one of the two in which a relay carries.
type Direction int

const (
	Up   Direction = iota // from who connected
	Down                  // to who connected
)

func (d Direction) String() string { return [...]string{"up", "down"}[d] }

// stall is one that is still to begin.
type stall struct {
	before func(Direction, []byte) bool
	lasts  time.Duration
	begun  chan struct{}
	over   chan struct{}
}

// mark is a place in what is still to come.
type mark struct {
	left int // bytes before it
	do   func()
}

// NewRelay relays to target until the test ends.
func NewRelay(t testing.TB, target string) *Relay {
	t.Helper()
	return NewLine(t, target, Line{})
}

// NewRelayAt is NewRelay for a test that wants to choose where it listens, within 127.0.0.0/8.
func NewRelayAt(t testing.TB, addr, target string) *Relay {
	t.Helper()
	return newRelay(t, addr, target, Line{})
}

// NewLine relays to target over a bad line until the test ends.
func NewLine(t testing.TB, target string, line Line) *Relay {
	t.Helper()
	return newRelay(t, "127.0.0.1:0", target, line)
}

func newRelay(t testing.TB, addr, target string, line Line) *Relay {
	t.Helper()
	l, err := net.Listen("tcp4", addr)
	if err != nil {
		t.Fatalf("testpeer: relay: %v", err)
	}
	r := &Relay{Addr: l.Addr().String(), target: target, line: line, listener: l, passages: make(map[*passage]struct{})}
	r.thaw = sync.NewCond(&r.mu)
	r.running.Go(r.accept)
	t.Cleanup(func() {
		_ = l.Close()
		r.close()
		r.running.Wait()
	})
	return r
}

// Cut closes every connection, with no word to either side. New ones are taken. What [Relay.Swallow] has silenced stays as it is.
func (r *Relay) Cut() { r.cut(func(p *passage) { p.close() }) }

// Reset is Cut by an RST in place of a FIN, as from a router that has forgotten the connection.
func (r *Relay) Reset() {
	r.cut(func(p *passage) {
		for _, c := range p.ends {
			_ = c.(*net.TCPConn).SetLinger(0) // it may be closed already
		}
		p.close()
	})
}

func (r *Relay) cut(end func(*passage)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for p := range r.passages {
		if p.silent == [2]bool{} {
			end(p)
		}
	}
	r.thaw.Broadcast()
}

// Swallow takes what is sent on the connections that there are, and delivers nothing of it any more, that way; they stay open, and
// their ends are not told when one of them goes, either. New ones are good.
func (r *Relay) Swallow(ways ...Direction) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for p := range r.passages {
		for _, d := range ways {
			p.silent[d] = true
		}
	}
}

// Carried is how many bytes have come to the relay so far, from both sides and over all connections. What TCP and IP add does not count.
func (r *Relay) Carried() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bytes
}

// Freeze lets nothing through any more, in either direction; connections stay open. New ones are taken and stay silent.
func (r *Relay) Freeze() { r.setFrozen(true) }

// Thaw ends a Freeze. What was held back goes on its way.
func (r *Relay) Thaw() { r.setFrozen(false) }

// Lead relays new connections to another target.
func (r *Relay) Lead(target string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.target = target
}

// Taken is how many connections it has taken so far, also such as led nowhere.
func (r *Relay) Taken() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.taken
}

// Bend makes the line one that is as bad as l says, from the next bytes on.
func (r *Relay) Bend(l Line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.line = l
}

// Flip makes the bits that are set in bits others, in the next byte that way.
func (r *Relay) Flip(d Direction, bits byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flip[d] = bits
}

// After runs do once n more bytes have been delivered that way, exactly: what follows them waits meanwhile. do may be a method of the
// relay. The next After takes the place of one that is still to come; forget reports whether it took this one back.
func (r *Relay) After(d Direction, n int, do func()) (forget func() bool) {
	m := &mark{n, do}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mark[d] = m
	return func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.mark[d] != m {
			return false
		}
		r.mark[d] = nil
		return true
	}
}

// Stall lets the line stand still for a while, as after Freeze, and then go on: from before the first chunk for which
// before holds. It is asked about each chunk in turn, until it holds once. The channels are closed when the stall begins, and
// when it is over.
func (r *Relay) Stall(lasts time.Duration, before func(d Direction, chunk []byte) bool) (begun, over <-chan struct{}) {
	s := &stall{before, lasts, make(chan struct{}), make(chan struct{})}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stall = s
	return s.begun, s.over
}

// Open counts the connections that clients have, as far as the relay knows.
func (r *Relay) Open() int { return r.count(func(p *passage) bool { return !p.left[Up] }) }

// Sound counts those of them that nothing is swallowed of.
func (r *Relay) Sound() int {
	return r.count(func(p *passage) bool { return !p.left[Up] && p.silent == [2]bool{} })
}

func (r *Relay) count(is func(*passage) bool) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for p := range r.passages {
		if is(p) {
			n++
		}
	}
	return n
}

func (r *Relay) setFrozen(frozen bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.frozen = frozen
	r.thaw.Broadcast()
}

func (r *Relay) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for p := range r.passages {
		p.close()
	}
	r.thaw.Broadcast()
}

func (r *Relay) accept() {
	for {
		near, err := r.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp4", r.take())
		if err != nil {
			_ = near.Close()
			continue
		}
		p := &passage{relay: r, ends: [2]net.Conn{near, far}}
		if !r.keep(p) {
			return
		}
		r.running.Go(func() { p.copy(Up) })
		r.running.Go(func() { p.copy(Down) })
	}
}

// take counts a connection, and returns where it leads.
func (r *Relay) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.taken++
	return r.target
}

func (r *Relay) keep(p *passage) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		p.close()
		return false
	}
	r.passages[p] = struct{}{}
	return true
}
