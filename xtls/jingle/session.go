package jingle

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
)

// maxPendingInfos bounds security-infos that arrived before anybody asked for them.
const maxPendingInfos = 4

// farewellTimeout bounds how long an ended session waits for the peer's acknowledgement.
const farewellTimeout = 5 * time.Second

// Session is one Jingle session. Its methods may be called from any goroutine.
type Session struct {
	m         *Manager
	peer      jid.JID
	local     jid.JID
	sid       string
	ns        string
	initiator bool      // this side started it
	guest     bool      // the peer did, and has a guest's leave
	offer     []Content // of the session-initiate

	active chan struct{} // closed when the session is accepted
	ended  chan struct{} // closed when it has ended

	mu       sync.Mutex // guards all below
	state    state
	timer    *time.Timer // for the peer's, or the owner's, next step; may be nil
	accepted *Content
	end      *EndedError
	farewell *Jingle    // the session-terminate that is to be sent, or nil
	goodbye  *xmpp.Call // the farewell, once it is queued
	infos    []Content  // security-infos not yet delivered
	onInfo   func(Content)
	handing  bool // somebody is in deliverInfos
}

// Peer returns the full JID of the other party, as its stanzas are stamped.
func (s *Session) Peer() jid.JID { return s.peer }

// Local returns the own address in this session.
func (s *Session) Local() jid.JID { return s.local }

// SID returns the session id.
func (s *Session) SID() string { return s.sid }

// Namespace returns NS, or NS0 if the peer speaks the form of 2009.
func (s *Session) Namespace() string { return s.ns }

// Initiator reports whether this side started the session.
func (s *Session) Initiator() bool { return s.initiator }

// Offer returns the contents of the session-initiate. They must not be changed.
func (s *Session) Offer() []Content { return s.offer }

// Done is closed when the session has ended.
func (s *Session) Done() <-chan struct{} { return s.ended }

// Err returns nil while the session lives, then an *[EndedError].
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end == nil {
		return nil
	}
	return s.end
}

// Reason returns the reason with which the session ended, sent or received; nil while it
// lives, and if it ended without one.
func (s *Session) Reason() *Reason {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end == nil {
		return nil
	}
	return s.end.Reason
}

// Accepted waits for the peer's session-accept and returns its content. If the session ends
// first it returns an *[EndedError]; if ctx does, its error, and the session goes on.
func (s *Session) Accepted(ctx context.Context) (*Content, error) {
	select {
	case <-s.active:
	case <-s.ended:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end != nil {
		return nil, s.end
	}
	return s.accepted, nil
}

// Accept answers the peer's offer with session-accept and waits for its acknowledgement.
// c must be one of the offered contents by name. The session counts as active from when the
// answer leaves: what it negotiates, such as a byte stream, must be expected before.
func (s *Session) Accept(ctx context.Context, c Content) error {
	if !s.offered(c) {
		return fmt.Errorf("jingle: accepting content %q, which was not offered: %w", c.Name, ErrState)
	}
	s.mu.Lock()
	if !s.enter(eventAccept) {
		s.mu.Unlock()
		return s.stateError()
	}
	s.accepted = &c
	s.mu.Unlock()
	j := s.message(SessionAccept, c)
	j.Responder = s.local
	if err := s.request(ctx, j); err != nil {
		s.giveUp(err)
		return fmt.Errorf("jingle: accepting: %w", err)
	}
	return nil
}

func (s *Session) offered(c Content) bool {
	for _, o := range s.offer {
		if o.Name == c.Name && o.Creator == c.Creator {
			return true
		}
	}
	return false
}

// SendSecurityInfo sends a security-info for the accepted content (jingle-xtls, Basic Protocol), and returns what waits for its
// acknowledgement: the transport is set up meanwhile. A peer that refuses this one request keeps the session; one that does not
// know the session ends it.
func (s *Session) SendSecurityInfo(ctx context.Context, sec *Security) (acknowledged func(context.Context) error, err error) {
	s.mu.Lock()
	if !s.enter(eventSecurityInfo) {
		s.mu.Unlock()
		return nil, s.stateError()
	}
	c := Content{Creator: s.accepted.Creator, Name: s.accepted.Name, Security: sec.Element()}
	s.mu.Unlock()
	call, err := s.send(ctx, s.message(SecurityInfo, c))
	if err != nil {
		return nil, fmt.Errorf("jingle: sending security-info: %w", err)
	}
	return func(ctx context.Context) error {
		err := s.acknowledged(ctx, call)
		switch {
		case err == nil:
			return nil
		case isGone(err) && ctx.Err() == nil:
			s.giveUp(err)
		}
		return fmt.Errorf("jingle: sending security-info: %w", err)
	}, nil
}

// OnSecurityInfo sets who gets the peer's security-infos, each once and in order, those that came before
// included. f runs on the goroutine that reads the link, or on the caller's: it must not block, and may
// call Terminate. A peer that sends too many before f is set ends the session.
func (s *Session) OnSecurityInfo(f func(Content)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onInfo = f
	s.deliverInfos()
}

// deliverInfos hands on what waits. The caller holds mu, which is given up for each call;
// a second caller leaves its own to the first, so that the order stays.
func (s *Session) deliverInfos() {
	if s.handing {
		return
	}
	s.handing = true
	defer func() { s.handing = false }()
	for s.onInfo != nil && len(s.infos) > 0 {
		f, c := s.onInfo, s.infos[0]
		s.infos = s.infos[1:]
		s.mu.Unlock()
		f(c)
		s.mu.Lock()
	}
}

// Terminate ends the session with a reason; it does not block. The first reason stays; on a
// session that has ended it does nothing.
func (s *Session) Terminate(r Reason) { s.terminate(r, nil) }

func (s *Session) terminate(r Reason, cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.terminateLocked(r, cause)
}

func (s *Session) terminateLocked(r Reason, cause error) {
	if _, ok := next(s.state, eventTerminate); !ok {
		return
	}
	s.farewell = s.message(SessionTerminate)
	s.farewell.Reason = &r
	// Queued before anybody learns of the end, so that closing the link next still sends it. If the
	// queue is full, run waits for room.
	s.goodbye, _ = s.m.queue(s.peer, s.farewell)
	s.end = &EndedError{Reason: &r, Cause: cause}
	s.enter(eventTerminate)
}

// giveUp ends the session after a request of ours that failed. A peer that refused it knows;
// one that has not answered may have got it, and is told.
func (s *Session) giveUp(err error) {
	var refused *xmpp.Error
	if errors.As(err, &refused) {
		s.lose(err)
		return
	}
	s.terminate(Reason{Condition: Cancel}, err)
}

// lose ends the session without telling the peer, who is not there or does not know it.
func (s *Session) lose(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loseLocked(cause)
}

func (s *Session) loseLocked(cause error) {
	if _, ok := next(s.state, eventLost); !ok {
		return
	}
	s.end = &EndedError{ByPeer: true, Cause: cause}
	s.enter(eventLost)
}

// enter is the one place where a session changes its state. It reports whether the event
// can happen now; if not, nothing has changed. The caller holds mu.
func (s *Session) enter(e event) bool {
	to, ok := next(s.state, e)
	if !ok {
		return false
	}
	if to == s.state {
		return true
	}
	s.state = to
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	switch to {
	case stateOffering:
		s.expire(s.m.cfg.AcceptTimeout)
	case stateOffered:
		s.expire(s.m.cfg.DecideTimeout)
	case stateActive:
		close(s.active)
	case stateEnded:
		s.m.forget(s)
		close(s.ended)
	}
	return true
}

// expire ends the session unless it changes its state within d.
func (s *Session) expire(d time.Duration) {
	from := s.state
	s.timer = time.AfterFunc(d, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.state == from {
			s.terminateLocked(Reason{Condition: Timeout}, ErrTimeout)
		}
	})
}

// run accompanies the session until it has ended and the peer has heard of it.
func (s *Session) run() {
	link := s.m.link
	select {
	case <-s.ended:
	case <-link.Done():
		s.lose(errors.Join(xmpp.ErrClosed, link.Err()))
	}
	s.mu.Lock()
	call, farewell := s.goodbye, s.farewell
	s.mu.Unlock()
	if farewell == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), farewellTimeout)
	defer cancel()
	if call == nil {
		var err error
		if call, err = link.Go(ctx, xmpp.Set, s.peer, farewell.Element()); err != nil {
			return
		}
	}
	_, _ = call.Wait(ctx) // XEP-0166 §6.7: it has ended whatever the answer is
}

// message returns a <jingle/> of this session.
func (s *Session) message(a Action, contents ...Content) *Jingle {
	j := &Jingle{NS: s.ns, Action: a, SID: s.sid, Contents: contents}
	j.Initiator, _ = s.parties()
	return j
}

// parties returns who is the initiator and who the responder.
func (s *Session) parties() (initiator, responder jid.JID) {
	if s.initiator {
		return s.local, s.peer
	}
	return s.peer, s.local
}

// request sends a message of the session and waits for its acknowledgement. Silence is ErrTimeout.
func (s *Session) request(ctx context.Context, j *Jingle) error {
	call, err := s.send(ctx, j)
	if err != nil {
		return err
	}
	return s.acknowledged(ctx, call)
}

// send sends a message of the session, waiting for room at most as long as for its acknowledgement.
func (s *Session) send(ctx context.Context, j *Jingle) (*xmpp.Call, error) {
	room, cancel := context.WithTimeout(ctx, s.m.cfg.AckTimeout)
	defer cancel()
	call, err := s.m.link.Go(room, xmpp.Set, s.peer, j.Element())
	return call, s.silence(ctx, room, err)
}

func (s *Session) acknowledged(ctx context.Context, call *xmpp.Call) error {
	inner, cancel := context.WithTimeout(ctx, s.m.cfg.AckTimeout)
	defer cancel()
	_, err := call.Wait(inner)
	return s.silence(ctx, inner, err)
}

// silence tells the caller's end of patience from the session's own, which is inner's.
func (s *Session) silence(ctx, inner context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, xmpp.ErrTimeout), inner.Err() != nil:
		return ErrTimeout
	}
	return err
}

// stateError says why something was not possible: the session has ended, or is not that far.
func (s *Session) stateError() error {
	if err := s.Err(); err != nil {
		return err
	}
	return ErrState
}
