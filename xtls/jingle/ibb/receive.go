package ibb

import (
	"bytes"
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
	ahead := seq - c.nextIn // modulo 2¹⁶
	switch {
	case err != nil:
		c.refuse(r, xmpp.BadRequest, err)
	case c.repeats(seq, r): // the answer to the first is the answer
	case ahead > earlyBlocks || c.early[seq].request != nil: // XEP-0047 §2.2: nothing after a gap counts
		c.refuse(r, xmpp.UnexpectedRequest, errSequence)
	case ahead > 0:
		c.keepEarly(seq, r, block)
	default:
		c.accept(r, block)
		c.acceptEarly()
		c.release()
		c.readable.give()
	}
}

// Blocks that come too early are kept for a while, and stanzas that come again are known again: ejabberd reorders and doubles some at the
// moment at which a stream is resumed beneath.
const (
	earlyBlocks  = 16
	gapTimeout   = 5 * time.Second
	recentBlocks = 32
)

// early is a block that came before the one that is due.
type early struct {
	request *xmpp.Request
	block   []byte
}

// recent are the ids of the stanzas in which the last blocks came, each at its number modulo recentBlocks.
type recent [recentBlocks]string

// repeats reports whether r is a stanza that has come before. Another stanza with a number that was used is none. The caller holds mu.
func (c *Conn) repeats(seq uint16, r *xmpp.Request) bool {
	if before := c.early[seq].request; before != nil {
		return before.ID == r.ID
	}
	back := c.nextIn - seq // modulo 2¹⁶
	return 0 < back && back <= recentBlocks && c.recent[seq%recentBlocks] == r.ID
}

// keepEarly keeps a block until those before it have come. The keeper sees that they do. The caller holds mu.
func (c *Conn) keepEarly(seq uint16, r *xmpp.Request, block []byte) {
	if c.closing {
		r.Reply() // nobody reads it
		return
	}
	if len(c.early) == 0 {
		c.early, c.gap = make(map[uint16]early), time.Now()
		c.rouse()
	}
	c.early[seq] = early{r, bytes.Clone(block)}
}

// accept takes the block that is due. The caller holds mu.
func (c *Conn) accept(r *xmpp.Request, block []byte) {
	switch {
	case c.closing: // nobody reads it; the peer learns by <close/>
		c.nextIn++
		r.Reply()
	case len(c.held) >= heldBlocks:
		c.refuse(r, xmpp.ResourceConstraint, errFlood)
	default:
		c.recent[c.nextIn%recentBlocks] = r.ID
		c.nextIn++
		c.heard = time.Now()
		c.in.Write(block)
		c.held = append(c.held, r)
	}
}

// acceptEarly takes those blocks that are due now. The caller holds mu.
func (c *Conn) acceptEarly() {
	for c.readErr == nil {
		e, ok := c.early[c.nextIn]
		if !ok {
			return
		}
		delete(c.early, c.nextIn)
		c.gap = time.Now()
		c.accept(e.request, e.block)
	}
}

// release acknowledges what was held back, if the reader has caught up. The caller holds mu.
func (c *Conn) release() {
	for len(c.held) > 0 && (c.in.Len() <= ackBlocks*c.block || c.readErr != nil || c.closing) {
		c.held[0].Reply()
		c.held[0] = nil
		c.held = c.held[1:]
	}
	if c.readErr != nil || c.closing {
		for _, e := range c.early {
			e.request.Fail(&xmpp.Error{Type: xmpp.Cancel, Condition: xmpp.ItemNotFound})
		}
		c.early = nil
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
