package ibb

import (
	"errors"
	"io"
	"time"

	"xtls-agent/xmpp"
)

// Why a stream broke, on the receiving side.
var (
	errSequence = errors.New("ibb: the peer sent a block out of sequence")
	errFlood    = errors.New("ibb: the peer sent more than may be outstanding")
)

// receive takes a <data/>. It runs on the link's read goroutine.
func (c *Conn) receive(r *xmpp.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.readErr != nil {
		r.Fail(&xmpp.Error{Type: xmpp.Cancel, Condition: xmpp.ItemNotFound})
		return
	}
	if c.in.Len() == 0 {
		c.in.Reset()
	}
	seq, block, err := parseData(r.Payload[0], c.block, c.in.AvailableBuffer())
	switch {
	case err != nil:
		c.refuse(r, xmpp.BadRequest, err)
	case seq != c.nextIn: // XEP-0047 §2.2: nothing after a gap counts
		c.refuse(r, xmpp.UnexpectedRequest, errSequence)
	case c.closing: // nobody reads it; the peer learns by <close/>
		c.nextIn++
		r.Reply()
	case len(c.held) >= heldBlocks:
		c.refuse(r, xmpp.ResourceConstraint, errFlood)
	default:
		c.nextIn++
		c.heard = time.Now()
		c.in.Write(block)
		c.held = append(c.held, r)
		c.release()
		c.readable.give()
	}
}

// release acknowledges what was held back, if the reader has caught up. The caller holds mu.
func (c *Conn) release() {
	for len(c.held) > 0 && (c.in.Len() <= ackBlocks*c.block || c.readErr != nil || c.closing) {
		c.held[0].Reply()
		c.held[0] = nil
		c.held = c.held[1:]
	}
}

// refuse answers a block with an error, which ends the stream. The caller holds mu.
func (c *Conn) refuse(r *xmpp.Request, condition string, cause error) {
	c.m.cfg.Log.Debug("ending a byte stream", "peer", c.peer.String(), "err", cause)
	r.Fail(&xmpp.Error{Type: xmpp.Cancel, Condition: condition})
	c.fail(cause)
	c.release()
}

// peerCloses takes a <close/>, which ends both directions (XEP-0047 §2.3).
func (c *Conn) peerCloses(r *xmpp.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.readErr == nil {
		c.readErr = io.EOF
	}
	if c.writeErr == nil {
		c.writeErr = io.ErrClosedPipe
	}
	c.release()
	r.Reply()
	c.broadcast()
	c.rouse()
}
