package wire

import (
	"sync"
	"time"

	"xtls-agent/xmpp"
)

// A move is one stanza in a trace.
type move struct {
	sent bool // by the side that is traced; else it arrived there
	what string
}

// trace is what went over a link, in order.
type trace struct {
	mu    sync.Mutex // guards moves
	moves []move
}

func (t *trace) add(sent bool, st *xmpp.Stanza) {
	what := st.Kind + " " + st.Type
	if len(st.Payload) > 0 {
		what += " " + st.Payload[0].Name.Local
		if action := st.Payload[0].Attr("action"); action != "" {
			what += " " + action
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.moves = append(t.moves, move{sent, what})
}

// roundTrips counts how often something was sent and then something arrived: on a link that is far enough, what leaves or
// arrives together is one such move.
func (t *trace) roundTrips() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, m := range t.moves {
		if i > 0 && t.moves[i-1].sent && !m.sent {
			n++
		}
	}
	return n
}

func (t *trace) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.moves = nil
}

// list returns the trace for a reader.
func (t *trace) list() (lines []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range t.moves {
		arrow := "← "
		if m.sent {
			arrow = "→ "
		}
		lines = append(lines, arrow+m.what)
	}
	return lines
}

// farLink is a link with a long way before it, and a trace. Stanzas keep their order, and do not wait for one another.
type farLink struct {
	xmpp.Link
	way   time.Duration // each way
	trace *trace

	out, in chan travelling
	once    sync.Once
	closed  chan struct{}
	working sync.WaitGroup
}

// travelling is a stanza, or the end, on its way.
type travelling struct {
	stanza *xmpp.Stanza
	err    error
	due    time.Time
}

// farQueue is how many stanzas may be on the way.
const farQueue = 1024

func newFarLink(near xmpp.Link, way time.Duration) *farLink {
	l := &farLink{
		Link: near, way: way, trace: new(trace),
		out: make(chan travelling, farQueue), in: make(chan travelling, farQueue), closed: make(chan struct{}),
	}
	l.working.Go(l.carryOut)
	l.working.Go(l.carryIn)
	return l
}

func (l *farLink) carryOut() {
	for {
		select {
		case t := <-l.out:
			time.Sleep(time.Until(t.due))
			_ = l.Link.WriteStanza(t.stanza) // a link that fails says so to the reader
		case <-l.closed:
			return
		}
	}
}

func (l *farLink) carryIn() {
	for {
		st, err := l.Link.ReadStanza()
		select {
		case l.in <- travelling{st, err, time.Now().Add(l.way)}:
		case <-l.closed:
			return
		}
		if err != nil {
			return
		}
	}
}

func (l *farLink) ReadStanza() (*xmpp.Stanza, error) {
	select {
	case t := <-l.in:
		time.Sleep(time.Until(t.due))
		if t.err == nil {
			l.trace.add(false, t.stanza)
		}
		return t.stanza, t.err
	case <-l.closed:
		return nil, xmpp.ErrClosed
	}
}

func (l *farLink) WriteStanza(st *xmpp.Stanza) error {
	l.trace.add(true, st)
	select {
	case l.out <- travelling{stanza: st, due: time.Now().Add(l.way)}:
		return nil
	case <-l.closed:
		return xmpp.ErrClosed
	}
}

func (l *farLink) Close() error {
	l.once.Do(func() { close(l.closed) })
	err := l.Link.Close()
	l.working.Wait()
	return err
}
