package xmpp

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"mellium.im/xmpp/jid"
)

// callKey identifies an outstanding request: an answer counts only from the address that
// was asked. The own account, however written, is the empty address.
type callKey struct{ peer, id string }

// Call is an outstanding request.
type Call struct {
	session *Session
	key     callKey
	done    chan struct{}
	then    func() // nil for nothing
	answer  *Stanza
	err     error
}

// Go queues an IQ of type typ to peer (zero: the own account or the link's other end)
// and returns without waiting for the answer. Calls leave in the order in which Go was called.
func (s *Session) Go(ctx context.Context, typ string, peer jid.JID, payload *Element) (*Call, error) {
	return s.call(typ, peer, payload, nil, func(st *Stanza) error { return s.out.putWait(ctx, st) })
}

// Try is Go for who must not wait: without room it fails with [ErrFull]. When the answer has come, or never will, then is called. It runs on
// the goroutine that reads, as handlers do, or on that which ends the session, and must not block; that may be before Try returns.
func (s *Session) Try(typ string, peer jid.JID, payload *Element, then func()) (*Call, error) {
	return s.call(typ, peer, payload, then, s.out.putNow)
}

// Room returns nil if Try finds room, else a channel that is closed when it may.
func (s *Session) Room() <-chan struct{} { return s.out.room() }

func (s *Session) call(typ string, peer jid.JID, payload *Element, then func(), put func(*Stanza) error) (*Call, error) {
	st := &Stanza{Kind: IQ, Type: typ, ID: rand.Text(), To: peer, Payload: []*Element{payload}}
	c := &Call{session: s, key: callKey{s.peerKey(peer), st.ID}, done: make(chan struct{}), then: then}
	s.mu.Lock()
	if err := s.err; err != nil {
		s.mu.Unlock()
		return nil, err
	}
	s.pending[c.key] = c
	s.mu.Unlock()
	if err := put(st); err != nil {
		c.Cancel()
		return nil, fmt.Errorf("xmpp: sending iq: %w", err)
	}
	return c, nil
}

// end ends the call. The caller has taken it from what is pending.
func (c *Call) end(answer *Stanza, err error) {
	c.answer, c.err = answer, err
	close(c.done)
	if c.then != nil {
		c.then()
	}
}

// Done is closed when the answer has come, or never will.
func (c *Call) Done() <-chan struct{} { return c.done }

// Wait returns the answer. An error answer is an *[Error].
func (c *Call) Wait(ctx context.Context) (*Stanza, error) {
	select {
	case <-c.done:
		return c.answer, c.err
	case <-ctx.Done():
		c.Cancel()
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return nil, ErrTimeout
		}
		return nil, ctx.Err()
	}
}

// Cancel forgets the call: an answer that comes after it is dropped.
func (c *Call) Cancel() {
	c.session.mu.Lock()
	defer c.session.mu.Unlock()
	delete(c.session.pending, c.key)
}

// Request sends an IQ and waits for its answer, at most until ctx ends, or two minutes if it has no
// deadline. An error answer is returned as an *[Error], silence as [ErrTimeout].
func (s *Session) Request(ctx context.Context, typ string, peer jid.JID, payload *Element) (*Stanza, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, requestTimeout)
		defer cancel()
	}
	c, err := s.Go(ctx, typ, peer, payload)
	if err != nil {
		return nil, err
	}
	return c.Wait(ctx)
}

// peerKey writes a peer's address so that all spellings of the own account are one.
func (s *Session) peerKey(peer jid.JID) string {
	local := s.link.LocalAddr()
	if peer.Equal(jid.JID{}) || peer.Equal(local) || peer.Equal(local.Bare()) || peer.Equal(s.link.RemoteAddr()) {
		return ""
	}
	return peer.String()
}

// deliver takes an answer.
func (s *Session) deliver(st *Stanza) {
	key := callKey{s.peerKey(st.From), st.ID}
	s.mu.Lock()
	c := s.pending[key]
	delete(s.pending, key)
	s.mu.Unlock()
	if c == nil {
		s.log.Debug("answer to nothing that was asked", "from", st.From.String())
		return
	}
	c.end(st, st.Err())
}
