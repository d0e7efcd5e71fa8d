package ibb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"xtls-agent/xmpp"
)

// ErrTimeout ends a stream whose peer does not acknowledge.
var ErrTimeout = errors.New("ibb: the peer does not acknowledge")

// sending is what a stream knows of its own direction. The conn's mu guards it. Blocks leave in the goroutine of who writes and, when
// an acknowledgement makes room in the window, in that of who reads the link; see [Conn.advance].
type sending struct {
	window  *window
	flights []flight
	nextOut uint16     // number of the next block
	opening *xmpp.Call // our <open/>, until the peer has agreed
	ahead   []byte     // sent behind an <open/> that the peer has not agreed to yet
	acked   time.Time  // when the last acknowledgement came, or the peer owed nothing before
	resting bool       // nothing leaves: the session's queue was full, or another <open/> is to leave first
	watched bool       // the keeper wakes when the peer is silent for too long
}

// flight is a block that was sent and not yet acknowledged.
type flight struct {
	call  *xmpp.Call
	sent  time.Time
	ahead int  // blocks in flight when it was sent, itself included
	full  bool // the window allowed no more
}

// advance takes in the acknowledgements that have come, and sends what the window has room for. It does not block. The caller holds mu.
func (c *Conn) advance() {
	if c.writeErr != nil {
		return
	}
	err := c.reap()
	if err == nil {
		err = c.launch()
	}
	if err != nil {
		c.fail(err)
	}
}

// answered is called when a block was acknowledged or refused, or the link has ended.
func (c *Conn) answered() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.advance()
	if c.closing {
		c.rouse()
	}
}

// reap takes in acknowledgements, in order. There are none before the stream is open. The caller holds mu.
func (c *Conn) reap() error {
	for c.opening == nil && len(c.flights) > 0 {
		f := c.flights[0]
		select {
		case <-f.call.Done():
		default:
			return nil
		}
		if _, err := f.call.Wait(context.Background()); err != nil {
			return fmt.Errorf("ibb: the peer refused a block: %w", err)
		}
		c.acked = time.Now()
		c.heard = c.acked
		c.window.ack(c.acked.Sub(f.sent), f.ahead, f.full)
		c.flights = append(c.flights[:0], c.flights[1:]...)
	}
	return nil
}

// launch sends blocks while there are any and the window has room. The caller holds mu.
func (c *Conn) launch() error {
	for len(c.out) > 0 && len(c.flights) < c.window.size && !c.resting {
		block := c.out[:min(len(c.out), c.block)]
		sent := time.Now()
		call, err := c.m.link.Try(xmpp.Set, c.peer, dataElement(c.sid, c.nextOut, block), c.answered)
		switch {
		case errors.Is(err, xmpp.ErrFull): // the keeper waits for room
			c.resting = true
			c.rouse()
			return nil
		case err != nil:
			return fmt.Errorf("ibb: sending: %w", err)
		}
		c.launched(flight{call, sent, len(c.flights) + 1, len(c.flights)+1 >= c.window.size}, block)
	}
	return nil
}

// launched notes that a block has left, which is the first of what was written. The caller holds mu.
func (c *Conn) launched(f flight, block []byte) {
	if c.opening != nil {
		c.ahead = append(c.ahead, block...)
	} else if len(c.flights) == 0 {
		c.acked = f.sent // the peer owes nothing before
	}
	c.flights = append(c.flights, f)
	c.nextOut++ // XEP-0047 §2.2: after 65535 comes 0
	c.out = append(c.out[:0], c.out[len(block):]...)
	c.writable.give()
	if !c.watched {
		c.watched = true
		c.rouse()
	}
}
