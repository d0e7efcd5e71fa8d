package xmpp

import (
	"context"
	"slices"
	"sync"
)

// The outbox holds at most this much. Requests and messages wait for room. Answers never
// wait, so that a handler cannot block; instead the session reads no further while it is full.
const (
	outboxStanzas = 64
	outboxBytes   = 1 << 20
)

// batchBytes bounds what is written at once: what is urgent does not pass it.
const batchBytes = 8 << 10

// outbox is a session's bounded queue of stanzas to write, in two lanes: acknowledgements
// and pings go before data.
type outbox struct {
	mu     sync.Mutex // guards all below
	lanes  [2][]*Stanza
	count  int
	bytes  int
	closed error
	filled chan struct{} // has a token for the writer when something was put, or at the end
	change chan struct{} // closed when something was taken, or at the end; nil while nobody waits for room
}

const (
	laneUrgent = iota
	laneData
)

func newOutbox() *outbox { return &outbox{filled: make(chan struct{}, 1)} }

// laneOf returns urgent for what is small and holds somebody up.
func laneOf(s *Stanza) int {
	bare := s.IsResponse() && (len(s.Payload) == 0 || s.Type == Fail)
	if bare || s.Kind == IQ && s.Child(NSPing, "ping") != nil {
		return laneUrgent
	}
	return laneData
}

// put queues s at once, full or not.
func (o *outbox) put(s *Stanza) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.putLocked(s)
}

func (o *outbox) putLocked(s *Stanza) error {
	if o.closed != nil {
		return o.closed
	}
	lane := laneOf(s)
	o.lanes[lane] = append(o.lanes[lane], s)
	o.count++
	o.bytes += s.Weight()
	o.wake()
	return nil
}

// putWait queues s as soon as there is room.
func (o *outbox) putWait(ctx context.Context, s *Stanza) error {
	for {
		o.mu.Lock()
		if o.closed != nil || o.hasRoom() {
			err := o.putLocked(s)
			o.mu.Unlock()
			return err
		}
		change := o.waiting()
		o.mu.Unlock()
		select {
		case <-change:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// room returns nil if the outbox has room or is closed, else a channel that is closed at its next change.
func (o *outbox) room() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed != nil || o.hasRoom() {
		return nil
	}
	return o.waiting()
}

// waitRoom returns when the outbox has room or is closed.
func (o *outbox) waitRoom() {
	for full := o.room(); full != nil; full = o.room() {
		<-full
	}
}

// putNow queues s if there is room, and else fails with ErrFull.
func (o *outbox) putNow(s *Stanza) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed == nil && !o.hasRoom() {
		return ErrFull
	}
	return o.putLocked(s)
}

// take returns the next stanzas in the place of dst's, waiting for one: as many as are there and weigh no more than limit
// together, and one in any case. After close it hands out what is left, then returns none.
func (o *outbox) take(dst []*Stanza, limit int) []*Stanza {
	for {
		o.mu.Lock()
		dst = o.takeLocked(dst[:0], limit)
		if len(dst) > 0 || o.closed != nil {
			o.signal()
			o.mu.Unlock()
			return dst
		}
		o.mu.Unlock()
		<-o.filled
	}
}

func (o *outbox) takeLocked(dst []*Stanza, limit int) []*Stanza {
	for lane, queue := range o.lanes {
		n := 0
		for _, s := range queue {
			weight := s.Weight()
			if limit -= weight; limit < 0 && len(dst) > 0 {
				break
			}
			o.count--
			o.bytes -= weight
			dst = append(dst, s)
			n++
		}
		o.lanes[lane] = slices.Delete(queue, 0, n)
		if n < len(queue) {
			break
		}
	}
	return dst
}

// close refuses further stanzas with err. With drop it discards what is queued, and returns it.
func (o *outbox) close(err error, drop bool) (dropped []*Stanza) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed == nil {
		o.closed = err
	}
	if drop {
		dropped = append(o.lanes[laneUrgent], o.lanes[laneData]...)
		o.lanes, o.count, o.bytes = [2][]*Stanza{}, 0, 0
	}
	o.signal()
	o.wake()
	return dropped
}

func (o *outbox) hasRoom() bool { return o.count < outboxStanzas && o.bytes < outboxBytes }

// waiting returns a channel that is closed at the next change. The caller holds mu.
func (o *outbox) waiting() <-chan struct{} {
	if o.change == nil {
		o.change = make(chan struct{})
	}
	return o.change
}

// signal wakes whoever waits for room. The caller holds mu.
func (o *outbox) signal() {
	if o.change != nil {
		close(o.change)
		o.change = nil
	}
}

// wake wakes the writer.
func (o *outbox) wake() {
	select {
	case o.filled <- struct{}{}:
	default:
	}
}

// Weight estimates the stanza's size on the wire, in bytes, so that queues can be bounded.
func (s *Stanza) Weight() int {
	n := 128
	for _, p := range s.Payload {
		n += p.weight()
	}
	return n
}

func (e *Element) weight() int {
	n := 2*len(e.Name.Local) + len(e.Name.Space) + 5
	for _, a := range e.Attrs {
		n += len(a.Name.Local) + len(a.Value) + 4
	}
	for _, c := range e.Nodes {
		n += len(c.Text)
		if c.Elem != nil {
			n += c.Elem.weight()
		}
	}
	return n
}
