package unruly

import (
	"crypto/tls"
	"net"
	"strconv"
	"sync"
	"time"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/stream"
)

// conn is one connection of a client.
type conn struct {
	server *Server
	raw    net.Conn
	tls    *tls.Conn
	framer *stream.Framer
	gone   chan struct{} // closed by cut
	leave  func()

	// The server's mu guards all below.
	session *session // once it is logged in
	queue   []item   // to be written
	more    chan struct{}
	fault   Fault
	due     int // stanzas until the fault begins; -1: there is none
	lasting Kind
	until   time.Time // the end of what is for a while
	deaf    bool      // it swallows
}

// item is something to be written: a stanza, or a word about the stream.
type item struct {
	data   []byte
	stanza *xmpp.Stanza // nil: none
}

func newConn(s *Server, raw net.Conn) *conn {
	c := &conn{server: s, raw: raw, gone: make(chan struct{}), more: make(chan struct{}, 1)}
	c.leave = sync.OnceFunc(func() {
		close(c.gone)
		_ = raw.Close()
	})
	c.tls = tls.Server(raw, s.config)
	c.framer = stream.NewFramer(c.tls, xmpp.Limits{}, 0)
	return c
}

// cut ends the connection with no word.
func (c *conn) cut() { c.leave() }

func (c *conn) isGone() bool {
	select {
	case <-c.gone:
		return true
	default:
		return false
	}
}

// serve logs a client in and serves it until the connection ends.
func (c *conn) serve() {
	var writing sync.WaitGroup
	defer writing.Wait()
	defer func() {
		c.cut()
		c.server.mu.Lock()
		defer c.server.mu.Unlock()
		delete(c.server.conns, c)
		if c.session != nil {
			c.session.detach(c)
		}
	}()
	if c.logIn() != nil {
		return
	}
	writing.Go(c.write)
	for {
		el, err := c.framer.ReadElement()
		if err != nil {
			c.ended(err)
			return
		}
		c.pause()
		c.server.mu.Lock()
		c.take(el)
		c.server.mu.Unlock()
	}
}

// ended ends the stream if the client has ended it.
func (c *conn) ended(err error) {
	_, declared := err.(*stream.Error)
	if !declared && err.Error() != "EOF" {
		return
	}
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	if c.session.conn == c {
		c.session.end(false)
	}
}

// pause waits while the connection stands still.
func (c *conn) pause() {
	c.server.mu.Lock()
	wait := time.Duration(0)
	if c.lasting == Stall {
		wait = time.Until(c.until)
	}
	c.server.mu.Unlock()
	c.sleep(wait)
}

func (c *conn) sleep(d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.gone:
	}
}

// take takes an element that the client sent.
func (c *conn) take(el *xmpp.Element) {
	one := c.session
	if c.deaf || one.conn != c || c.isGone() { // what is left of what was read before
		return
	}
	switch {
	case el.Is(nsSM, "r"):
		c.answerAck()
	case el.Is(nsSM, "a"):
		h, err := strconv.ParseUint(el.Attr("h"), 10, 32)
		if err != nil {
			c.server.complain("%s acknowledges %v", one.full, el)
		}
		one.acknowledged(uint32(h))
	case el.Name.Space == xmpp.NSClient:
		st, err := xmpp.ParseStanza(el)
		if err != nil {
			c.server.complain("%s sends %v: %v", one.full, el, err)
			return
		}
		c.stanza(st)
	default:
		c.server.complain("%s sends %v", one.full, el)
	}
}

// answerAck answers an <r/>, at its time.
func (c *conn) answerAck() {
	if !c.lasts(LateAck) {
		c.say(ack(c.session.handled))
		return
	}
	one, late := c.session, c.fault.Lasts
	c.server.serving.Go(func() {
		c.sleep(late)
		c.server.mu.Lock()
		defer c.server.mu.Unlock()
		c.say(ack(one.handled))
	})
}

// stanza handles a stanza of the client, unless a fault has it otherwise.
func (c *conn) stanza(st *xmpp.Stanza) {
	one, s := c.session, c.server
	f, begins := c.begins(true)
	if begins && f.Kind == CutBefore {
		c.cut()
		return
	}
	if begins && f.Kind == Swallow {
		c.deaf = true
		return
	}
	one.handled++
	s.handle(one, st)
	if begins {
		c.strike(f)
	}
}

// strike does a fault at a stanza that was handled.
func (c *conn) strike(f Fault) {
	one, s := c.session, c.server
	switch f.Kind {
	case CutTold:
		c.say(ack(one.handled))
		s.serving.Go(func() { // when that is out
			c.sleep(time.Millisecond)
			c.cut()
		})
	case LateAck:
		c.last(f)
	case OldAck:
		c.say(ack(one.handled) + ack(one.handled))
	case LowAck:
		c.say(ack(one.handled) + ack(one.handled-1))
	case HighAck:
		c.say(ack(one.handled + 1000))
	case Revoke:
		delete(s.tokens, one.full.Localpart())
		c.cut()
	case Lose:
		one.end(false)
	case Refuse:
		one.end(true)
	default:
		c.cut()
	}
}

// last begins what is for a while.
func (c *conn) last(f Fault) { c.lasting, c.until = f.Kind, time.Now().Add(f.Lasts) }

// lasts reports whether a fault of the kind goes on.
func (c *conn) lasts(k Kind) bool { return c.lasting == k && time.Now().Before(c.until) }

// begins reports whether the next fault begins at a stanza, which goes up or down. The caller holds mu.
func (c *conn) begins(up bool) (Fault, bool) {
	if c.due < 0 { // the plan may have begun since
		c.expect()
		return Fault{}, false
	}
	if c.due > 0 || c.fault.Kind.up() != up {
		c.due = max(0, c.due-1)
		return Fault{}, false
	}
	f := c.fault
	c.server.plan.began(f)
	c.expect()
	return f, true
}

// expect draws the next fault.
func (c *conn) expect() {
	f, ok := c.server.plan.next()
	if c.due = f.After; !ok {
		c.due = -1
	}
	c.fault = f
}

// send queues a stanza. The caller holds mu.
func (c *conn) send(st *xmpp.Stanza) {
	c.put(item{st.AppendXML(nil, st.From.String(), st.To.String()), st})
	c.put(item{[]byte("<r xmlns='" + nsSM + "'/>"), nil})
}

// say queues a word about the stream. The caller holds mu.
func (c *conn) say(words string) { c.put(item{[]byte(words), nil}) }

func (c *conn) put(i item) {
	c.queue = append(c.queue, i)
	select {
	case c.more <- struct{}{}:
	default:
	}
}

// write writes what is queued until the connection ends.
func (c *conn) write() {
	for {
		c.server.mu.Lock()
		queue := c.queue
		c.queue = nil
		c.server.mu.Unlock()
		for _, i := range queue {
			c.pause()
			if c.writeItem(i) != nil {
				c.cut()
				return
			}
		}
		if len(queue) > 0 {
			continue
		}
		select {
		case <-c.more:
		case <-c.gone:
			return
		}
	}
}

// writeItem writes one, with what goes wrong at it.
func (c *conn) writeItem(i item) error {
	if i.stanza == nil {
		_, err := c.tls.Write(i.data)
		return err
	}
	f, begins, delay, piece := c.strikeDown(i)
	if begins {
		switch f.Kind {
		case CutWithin:
			_, _ = c.tls.Write(i.data[:min(f.Piece, len(i.data)-1)])
			return net.ErrClosed
		case CutBetween, Repeat:
			return net.ErrClosed
		case Malform:
			_, err := c.tls.Write([]byte("<message></iq>"))
			return err
		case Stall:
			c.pause()
		}
	}
	c.sleep(delay)
	for rest := i.data; len(rest) > 0; {
		n, err := c.tls.Write(rest[:min(piece, len(rest))])
		if err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// strikeDown notes what goes wrong at a stanza that is to be written: whether a fault begins, and how late the stanza leaves, in pieces of
// what size.
func (c *conn) strikeDown(i item) (f Fault, begins bool, delay time.Duration, piece int) {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	f, begins = c.begins(false)
	if begins {
		switch f.Kind {
		case Stall, Delay, Split:
			c.last(f)
		case Repeat:
			c.session.repeat = true
		case Malform:
			i.stanza.ID = "" // it has not arrived, even if that is acknowledged
		}
	}
	piece = len(i.data)
	if c.lasts(Delay) {
		delay = f.Lasts/100 + time.Millisecond
	}
	if c.lasts(Split) {
		piece = max(1, f.Piece)
	}
	return f, begins, delay, piece
}
