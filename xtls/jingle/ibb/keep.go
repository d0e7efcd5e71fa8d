package ibb

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"xtls-agent/xmpp"
)

// stallTimeout is how long Close waits for the next acknowledgement.
const stallTimeout = 3 * time.Second

// keep is the goroutine of a stream, the keeper: from when the stream is open until it has ended it sees to what takes time. That is the
// peer's consent, room in the session's queue, a peer that is silent, and the end.
func (c *Conn) keep() {
	err := c.run()
	c.m.forget(c)
	c.cancel()
	c.mu.Lock()
	c.fail(err)
	c.release()
	if c.opening != nil {
		c.opening.Cancel()
	}
	for _, f := range c.flights {
		f.call.Cancel()
	}
	c.out, c.flights = nil, nil
	c.readBy.stop()
	c.writeBy.stop()
	c.mu.Unlock()
	close(c.finished)
}

// run keeps the stream until it ends, and returns why; a stream that was closed here or by the peer knows better by itself.
func (c *Conn) run() error {
	for {
		if err := c.agreed(); err != nil {
			return err
		}
		w, err := c.look()
		switch {
		case err != nil:
			return err
		case w.closing && (w.drained || w.silent >= stallTimeout):
			c.sendClose()
			return net.ErrClosed
		case !w.closing && w.owed && w.silent >= c.m.cfg.AckTimeout:
			return ErrTimeout
		case w.gap >= gapTimeout:
			return errSequence
		}
		if err := c.wait(w); err != nil {
			return err
		}
	}
}

// watch is what the keeper sees of the stream, and waits for.
type watch struct {
	room    <-chan struct{} // in the session's queue; nil while there is some
	owed    bool            // the peer owes an answer
	silent  time.Duration   // since it gave the last, or owed none
	closing bool            // Close was called
	drained bool            // all that was written has been sent
	gap     time.Duration   // since a block is missing of which later ones have come; 0: none is
}

// look sends what was held up, and looks at what there is to wait for.
func (c *Conn) look() (watch, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	room := c.m.link.Room()
	c.resting = room != nil
	c.advance()
	c.watched = c.opening != nil || len(c.flights) > 0
	w := watch{room, c.watched, time.Since(c.acked), c.closing, len(c.out) == 0, 0}
	if len(c.early) > 0 {
		w.gap = max(time.Since(c.gap), 1)
	}
	return w, c.writeErr
}

// wait returns when there may be something to do.
func (c *Conn) wait(w watch) error {
	var opened <-chan struct{}
	if c.opening != nil { // which the keeper alone changes
		opened = c.opening.Done()
	}
	var late <-chan time.Time
	if w.owed {
		limit := c.m.cfg.AckTimeout
		if w.closing {
			limit = min(limit, stallTimeout)
		}
		timer := time.NewTimer(limit - w.silent)
		defer timer.Stop()
		late = timer.C
	}
	var missing <-chan time.Time
	if w.gap > 0 {
		timer := time.NewTimer(gapTimeout - w.gap)
		defer timer.Stop()
		missing = timer.C
	}
	select {
	case <-c.wake:
	case <-opened:
	case <-w.room:
	case <-late:
	case <-missing:
	case <-c.ctx.Done(): // by Abort, or because Close has waited long enough
		if w.closing {
			c.sendClose()
		}
		return net.ErrClosed
	case <-c.m.link.Done():
		return fmt.Errorf("ibb: %w", xmpp.ErrClosed)
	}
	return nil
}

// agreed takes in the peer's answer to <open/>, if it has come.
func (c *Conn) agreed() error {
	if c.opening == nil {
		return nil
	}
	select {
	case <-c.opening.Done():
	default:
		return nil
	}
	_, err := c.opening.Wait(context.Background()) // it has come
	var refused *xmpp.Error
	switch {
	case err == nil:
		c.mu.Lock()
		defer c.mu.Unlock()
		c.opening, c.ahead = nil, nil
		c.acked = time.Now()
		c.heard = c.acked
		return nil
	case errors.As(err, &refused) && refused.Condition == xmpp.ResourceConstraint && c.BlockSize() >= 512:
		return c.openSmaller()
	}
	return fmt.Errorf("ibb: opening a byte stream: %w", err)
}

// openSmaller begins anew with blocks of half the size. No block that was sent ahead has arrived.
func (c *Conn) openSmaller() error {
	c.mu.Lock()
	c.resting = true
	for _, f := range c.flights {
		f.call.Cancel()
	}
	c.flights, c.nextOut = nil, 0
	c.block /= 2
	c.out = append(c.ahead, c.out...)
	c.ahead = nil
	c.mu.Unlock()
	opening, err := c.m.askToOpen(c.ctx, c)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opening = opening
	return nil
}

// sendClose sends <close/> behind the last block and waits for the answer. If the stream's
// time is up it only queues it, if there is room.
func (c *Conn) sendClose() {
	c.mu.Lock()
	if c.writeErr == nil {
		c.writeErr = net.ErrClosed // nothing follows
	}
	c.mu.Unlock()
	call, err := c.m.link.Go(c.ctx, xmpp.Set, c.peer, closeElement(c.sid))
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(c.ctx, stallTimeout)
	defer cancel()
	_, _ = call.Wait(ctx) // XEP-0047 §2.3: closed in any case
}
