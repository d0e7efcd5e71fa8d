package ibb

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"xtls-agent/xmpp"
)

// ErrTimeout ends a stream whose peer does not acknowledge.
var ErrTimeout = errors.New("ibb: the peer does not acknowledge")

// stallTimeout is how long Close waits for the next acknowledgement.
const stallTimeout = 3 * time.Second

// flight is a block that was sent and not yet acknowledged.
type flight struct {
	call  *xmpp.Call
	sent  time.Time
	ahead int  // blocks in flight when it was sent, itself included
	full  bool // the window allowed no more
}

// sender is what the goroutine of a stream knows.
type sender struct {
	*Conn
	window  *window
	flights []flight
	ahead   []byte    // sent behind an <open/> that the peer has not agreed to yet
	acked   time.Time // when the last acknowledgement came
}

// send is the goroutine that sends, from when the stream is open until it has ended.
func (c *Conn) send() {
	s := &sender{Conn: c, window: newWindow(c.m.cfg.Window), acked: time.Now()}
	err := s.run()
	if s.opening != nil {
		s.opening.Cancel()
	}
	for _, f := range s.flights {
		f.call.Cancel()
	}
	c.m.forget(c)
	c.cancel()
	c.mu.Lock()
	c.fail(err)
	c.release()
	c.out = nil
	c.mu.Unlock()
	close(c.finished)
}

// run sends until the stream ends, and returns why; a stream that was closed here or by the peer knows
// better by itself.
func (s *sender) run() error {
	for {
		if err := s.agreed(); err != nil {
			return err
		}
		if err := s.reap(); err != nil {
			return err
		}
		block, closing, err := s.take()
		switch {
		case err != nil:
			return err
		case block != nil:
			if err := s.launch(block); err != nil {
				return err
			}
			continue
		case closing && (s.drained() || time.Since(s.acked) >= stallTimeout):
			s.sendClose()
			return net.ErrClosed
		}
		if err := s.wait(closing); err != nil {
			return err
		}
	}
}

// take returns the next block if there is one and the window has room for it.
func (s *sender) take() (block []byte, closing bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writeErr != nil {
		return nil, false, s.writeErr
	}
	if len(s.out) == 0 || len(s.flights) >= s.window.size {
		return nil, s.closing, nil
	}
	n := min(len(s.out), s.block)
	block = append(block, s.out[:n]...)
	s.out = append(s.out[:0], s.out[n:]...)
	s.writable.give()
	return block, s.closing, nil
}

func (s *sender) drained() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.out) == 0
}

func (s *sender) launch(block []byte) error {
	sent := time.Now()
	call, err := s.m.link.Go(s.ctx, xmpp.Set, s.peer, dataElement(s.sid, s.nextOut, block))
	if err != nil {
		return fmt.Errorf("ibb: sending: %w", err)
	}
	if s.opening != nil {
		s.ahead = append(s.ahead, block...)
	} else if len(s.flights) == 0 {
		s.acked = sent // the peer owes nothing before
	}
	s.nextOut++ // XEP-0047 §2.2: after 65535 comes 0
	ahead := len(s.flights) + 1
	s.flights = append(s.flights, flight{call, sent, ahead, ahead >= s.window.size})
	return nil
}

// agreed takes in the peer's answer to <open/>, if it has come.
func (s *sender) agreed() error {
	if s.opening == nil {
		return nil
	}
	select {
	case <-s.opening.Done():
	default:
		return nil
	}
	_, err := s.opening.Wait(s.ctx)
	var refused *xmpp.Error
	switch {
	case err == nil:
		s.opening, s.ahead = nil, nil
		s.acked = time.Now()
		s.hear(s.acked)
		return nil
	case errors.As(err, &refused) && refused.Condition == xmpp.ResourceConstraint && s.BlockSize() >= 512:
		return s.openSmaller()
	}
	return fmt.Errorf("ibb: opening a byte stream: %w", err)
}

// openSmaller begins anew with blocks of half the size. No block that was sent ahead has arrived.
func (s *sender) openSmaller() (err error) {
	for _, f := range s.flights {
		f.call.Cancel()
	}
	s.flights, s.nextOut = nil, 0
	s.mu.Lock()
	s.block /= 2
	s.out = append(s.ahead, s.out...)
	s.mu.Unlock()
	s.ahead = nil
	s.opening, err = s.m.askToOpen(s.ctx, s.Conn)
	return err
}

// reap takes in the acknowledgements that have come, in order. There are none before the stream is open.
func (s *sender) reap() error {
	for s.opening == nil && len(s.flights) > 0 {
		f := s.flights[0]
		select {
		case <-f.call.Done():
		default:
			return nil
		}
		if _, err := f.call.Wait(s.ctx); err != nil {
			return fmt.Errorf("ibb: the peer refused a block: %w", err)
		}
		s.acked = time.Now()
		s.hear(s.acked)
		s.window.ack(s.acked.Sub(f.sent), f.ahead, f.full)
		s.flights = s.flights[1:]
	}
	return nil
}

func (c *Conn) hear(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = at
}

// owed is what the peer answers next. The caller has seen that there is such a thing.
func (s *sender) owed() *xmpp.Call {
	if s.opening != nil {
		return s.opening
	}
	return s.flights[0].call
}

// wait returns when there may be something to do.
func (s *sender) wait(closing bool) error {
	var acked <-chan struct{}
	var late <-chan time.Time
	if s.opening != nil || len(s.flights) > 0 {
		acked = s.owed().Done()
		limit := s.m.cfg.AckTimeout
		if closing {
			limit = min(limit, stallTimeout)
		}
		timer := time.NewTimer(time.Until(s.acked.Add(limit)))
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-s.wake:
	case <-acked:
	case <-late:
		if !closing {
			return ErrTimeout
		}
	case <-s.ctx.Done(): // by Abort, or because Close has waited long enough
		if closing {
			s.sendClose()
		}
		return net.ErrClosed
	case <-s.m.link.Done():
		return fmt.Errorf("ibb: %w", xmpp.ErrClosed)
	}
	return nil
}

// sendClose sends <close/> behind the last block and waits for the answer. If the stream's
// time is up it only queues it, if there is room.
func (s *sender) sendClose() {
	call, err := s.m.link.Go(s.ctx, xmpp.Set, s.peer, closeElement(s.sid))
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(s.ctx, stallTimeout)
	defer cancel()
	_, _ = call.Wait(ctx) // XEP-0047 §2.3: closed in any case
}
