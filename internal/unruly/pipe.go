package unruly

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// pipeRoom is how much one side may write before the other reads, as TCP's buffers let it.
const pipeRoom = 64 << 10

// newPipe returns the two ends of a connection in memory, which waits as a bubble of testing/synctest understands.
func newPipe() (net.Conn, net.Conn) {
	up, down := newFlow(), newFlow()
	return &end{in: down, out: up, reading: newLimit(), writing: newLimit()}, &end{in: up, out: down, reading: newLimit(), writing: newLimit()}
}

// flow is one direction.
type flow struct {
	mu     sync.Mutex // guards all below
	bytes  []byte
	closed bool
	change chan struct{} // closed at the next change
}

func newFlow() *flow { return &flow{change: make(chan struct{})} }

// changed wakes who waits. The caller holds mu.
func (f *flow) changed() {
	close(f.change)
	f.change = make(chan struct{})
}

func (f *flow) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	f.changed()
}

// limit is a deadline that may be moved while somebody waits.
type limit struct {
	mu    sync.Mutex // guards both
	at    time.Time
	moved chan struct{}
}

func newLimit() *limit { return &limit{moved: make(chan struct{})} }

func (l *limit) set(at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at = at
	close(l.moved)
	l.moved = make(chan struct{})
}

// passed is an error after the deadline.
func (l *limit) passed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.at.IsZero() || time.Now().Before(l.at) {
		return nil
	}
	return os.ErrDeadlineExceeded
}

// wait waits for a change, or the deadline.
func (l *limit) wait(change <-chan struct{}) {
	l.mu.Lock()
	at, moved := l.at, l.moved
	l.mu.Unlock()
	var late <-chan time.Time
	if !at.IsZero() {
		timer := time.NewTimer(time.Until(at))
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-change:
	case <-moved:
	case <-late:
	}
}

// end is one end of a pipe.
type end struct {
	in, out          *flow
	reading, writing *limit
}

func (e *end) Read(p []byte) (int, error) {
	for {
		if err := e.reading.passed(); err != nil {
			return 0, err
		}
		e.in.mu.Lock()
		if len(e.in.bytes) > 0 {
			n := copy(p, e.in.bytes)
			e.in.bytes = e.in.bytes[n:]
			e.in.changed()
			e.in.mu.Unlock()
			return n, nil
		}
		closed, change := e.in.closed, e.in.change
		e.in.mu.Unlock()
		if closed {
			return 0, io.EOF
		}
		e.reading.wait(change)
	}
}

func (e *end) Write(p []byte) (int, error) {
	written := 0
	for {
		if err := e.writing.passed(); err != nil {
			return written, err
		}
		e.out.mu.Lock()
		if e.out.closed {
			e.out.mu.Unlock()
			return written, io.ErrClosedPipe
		}
		if room := pipeRoom - len(e.out.bytes); room > 0 {
			n := min(room, len(p))
			e.out.bytes = append(e.out.bytes, p[:n]...)
			written, p = written+n, p[n:]
			e.out.changed()
		}
		change := e.out.change
		e.out.mu.Unlock()
		if len(p) == 0 {
			return written, nil
		}
		e.writing.wait(change)
	}
}

// Close ends both directions. What was written is there to be read.
func (e *end) Close() error {
	e.in.close()
	e.out.close()
	return nil
}

func (e *end) SetDeadline(t time.Time) error {
	e.reading.set(t)
	e.writing.set(t)
	return nil
}

func (e *end) SetReadDeadline(t time.Time) error  { e.reading.set(t); return nil }
func (e *end) SetWriteDeadline(t time.Time) error { e.writing.set(t); return nil }

// Both ends are on this machine.
func (e *end) LocalAddr() net.Addr  { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5223} }
func (e *end) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5223} }
