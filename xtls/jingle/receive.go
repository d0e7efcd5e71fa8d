package jingle

import (
	"context"
	"errors"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
)

// errIdentity ends a session whose messages name somebody else than who sends them.
var errIdentity = errors.New("jingle: initiator or responder is not who the stanza is from or to")

// errContent ends a session whose peer accepted what was not offered.
var errContent = errors.New("jingle: the peer accepted a content that was not offered")

// handle takes every <jingle/> request. It runs on the link's read goroutine.
func (m *Manager) handle(_ context.Context, r *xmpp.Request) {
	el := r.Payload[0]
	s := m.find(r.From, el.Attr("sid"))
	var leave Leave // of who has no session under this sid
	if s == nil {
		if leave = m.leave(r.From); leave == Nobody {
			// Exactly what the XMPP session answers where no handler stands.
			r.Fail(&xmpp.Error{Type: xmpp.Cancel, Condition: xmpp.ServiceUnavailable})
			return
		}
	}
	j, err := Parse(el)
	switch {
	case err != nil:
		m.cfg.Log.Debug("refusing a jingle request", "from", r.From.String(), "err", err)
		r.Fail(&xmpp.Error{Type: xmpp.Modify, Condition: xmpp.BadRequest})
	case s != nil && s.givesWay(j):
		s.lose(ErrTieBreak)
		m.offered(r, j, m.leave(r.From))
	case s != nil && s.ns == j.NS:
		s.receive(r, j)
	case s == nil && j.Action == SessionInitiate:
		m.offered(r, j, leave)
	default:
		r.Fail(errUnknownSession(j.NS))
	}
}

func (m *Manager) leave(peer jid.JID) Leave {
	switch {
	case m.cfg.Incoming == nil:
		return Nobody
	case m.cfg.Allow == nil:
		return Friend
	}
	return m.cfg.Allow(peer)
}

// offered handles a session-initiate for a session that does not exist.
func (m *Manager) offered(r *xmpp.Request, j *Jingle, leave Leave) {
	s := m.newSession(r.From, j.SID, j.NS, false, j.Contents)
	s.guest = leave == Guest
	switch {
	case !wellOffered(j.Contents):
		r.Fail(&xmpp.Error{Type: xmpp.Modify, Condition: xmpp.BadRequest})
		return
	case !s.names(j):
		m.cfg.Log.Warn("refusing a session", "from", r.From.String(), "err", errIdentity)
		r.Reply()
		end := s.message(SessionTerminate)
		end.Reason = &Reason{Condition: SecurityError}
		m.tell(r.From, end)
		return
	case m.winsOver(r.From, j):
		r.Fail(errTieBreak(j.NS))
		return
	}
	s.mu.Lock()
	err := m.add(s)
	if err == nil {
		r.Reply()
		s.enter(eventPeerInitiate)
	}
	s.mu.Unlock()
	if err != nil {
		m.cfg.Log.Warn("refusing a session", "from", r.From.String(), "err", err)
		r.Fail(&xmpp.Error{Type: xmpp.Wait, Condition: xmpp.ResourceConstraint})
		return
	}
	m.cfg.Incoming(s)
}

// wellOffered: a session-initiate has contents, and its sender has created them (XEP-0166 §7.3).
func wellOffered(contents []Content) bool {
	for _, c := range contents {
		if c.Creator != "initiator" {
			return false
		}
	}
	return len(contents) > 0
}

// names reports whether initiator and responder, where given, are who they must be.
func (s *Session) names(j *Jingle) bool {
	initiator, responder := s.parties()
	var absent jid.JID
	return (j.Initiator.Equal(absent) || j.Initiator.Equal(initiator)) &&
		(j.Responder.Equal(absent) || j.Responder.Equal(responder))
}

// winsOver reports whether an offer of ours to the same peer, for the same application, overrules the
// peer's, sent at the same time: the lower sid does (XEP-0166 §7.2.16, tie breaking).
func (m *Manager) winsOver(peer jid.JID, j *Jingle) bool {
	for _, s := range m.with(peer) {
		if s.isOffering() && s.sameApplication(j) && s.sid < j.SID {
			return true
		}
	}
	return false
}

// givesWay reports whether j is the peer's own offer under the very sid of ours, and overrules
// it: of equal sids the initiator with the lower JID does (XEP-0166 §7.2.16).
func (s *Session) givesWay(j *Jingle) bool {
	return j.Action == SessionInitiate && s.isOffering() && s.m.leave(s.peer) != Nobody &&
		s.peer.String() < s.local.String()
}

func (s *Session) isOffering() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == stateOffering
}

func (s *Session) sameApplication(j *Jingle) bool {
	for _, ours := range s.offer {
		for _, theirs := range j.Contents {
			if ours.Description != nil && theirs.Description != nil && ours.Description.Name == theirs.Description.Name {
				return true
			}
		}
	}
	return false
}

// receive handles a request for a session that exists.
func (s *Session) receive(r *xmpp.Request, j *Jingle) {
	if j.Action == SessionInitiate { // it would name the parties of another session
		s.mu.Lock()
		defer s.mu.Unlock()
		s.repeated(r)
		return
	}
	if !s.names(j) {
		r.Reply()
		s.m.cfg.Log.Warn("ending a session", "peer", s.peer.String(), "err", errIdentity)
		s.terminate(Reason{Condition: SecurityError}, errIdentity)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch j.Action {
	case SessionAccept:
		s.peerAccepts(r, j)
	case SessionInfo:
		s.peerInfo(r, j)
	case SecurityInfo:
		s.peerSecurityInfo(r, j)
	case SessionTerminate:
		s.peerTerminates(r, j)
	default:
		s.unsupported(r, j)
	}
}

// repeated refuses a session-initiate under a sid that is in use.
func (s *Session) repeated(r *xmpp.Request) {
	if s.initiator && s.state == stateOffering {
		r.Fail(errTieBreak(s.ns)) // ours overrules it, or givesWay had been true
		return
	}
	r.Fail(errOutOfOrder(s.ns))
}

func (s *Session) peerAccepts(r *xmpp.Request, j *Jingle) {
	if _, ok := next(s.state, eventPeerAccept); !ok {
		r.Fail(errOutOfOrder(s.ns))
		return
	}
	r.Reply() // before anybody acts on the answer
	ok := len(j.Contents) > 0
	for _, c := range j.Contents {
		ok = ok && s.offered(c)
	}
	if !ok {
		s.terminateLocked(Reason{Condition: FailedApplication}, errContent)
		return
	}
	s.accepted = &j.Contents[0]
	s.enter(eventPeerAccept)
}

// peerInfo answers an empty session-info, which is a ping, and refuses any payload: none is
// known here (XEP-0166 §6.8).
func (s *Session) peerInfo(r *xmpp.Request, j *Jingle) {
	switch {
	case !s.enter(eventPeerInfo):
		r.Fail(errUnknownSession(s.ns))
	case len(j.Info) > 0:
		r.Fail(errUnsupportedInfo(s.ns))
	default:
		r.Reply()
	}
}

func (s *Session) peerSecurityInfo(r *xmpp.Request, j *Jingle) {
	switch {
	case !s.enter(eventPeerSecurityInfo):
		r.Fail(errOutOfOrder(s.ns))
	case len(j.Contents) != 1 || j.Contents[0].Security == nil || j.Contents[0].Name != s.accepted.Name:
		r.Fail(&xmpp.Error{Type: xmpp.Modify, Condition: xmpp.BadRequest})
	case len(s.infos) >= maxPendingInfos:
		r.Fail(errOutOfOrder(s.ns))
		s.terminateLocked(Reason{Condition: SecurityError}, ErrTooMany)
	default:
		r.Reply()
		s.infos = append(s.infos, j.Contents[0])
		s.deliverInfos()
	}
}

func (s *Session) peerTerminates(r *xmpp.Request, j *Jingle) {
	if _, ok := next(s.state, eventPeerTerminate); !ok {
		r.Fail(errUnknownSession(s.ns))
		return
	}
	r.Reply()
	s.end = &EndedError{Reason: j.Reason, ByPeer: true}
	s.enter(eventPeerTerminate)
}

// unsupported answers what a session here never does: its contents are fixed.
func (s *Session) unsupported(r *xmpp.Request, j *Jingle) {
	switch j.Action {
	case ContentAdd: // XEP-0166 §7.2.2
		r.Reply()
		s.refuse(ContentReject, j, UnsupportedApplication)
	case TransportReplace: // XEP-0166 §7.2.15
		r.Reply()
		s.refuse(TransportReject, j, UnsupportedTransports)
	case ContentRemove: // XEP-0166 §7.2.5: a session without contents ends
		r.Reply()
		s.terminateLocked(Reason{Condition: Cancel}, nil)
	case DescriptionInfo, TransportInfo:
		r.Fail(errUnsupportedInfo(s.ns))
	case ContentAccept, ContentReject, TransportAccept, TransportReject: // nobody asked
		r.Fail(errOutOfOrder(s.ns))
	default:
		r.Fail(&xmpp.Error{Type: xmpp.Cancel, Condition: xmpp.FeatureNotImplemented})
	}
}

// refuse answers a proposal that was acknowledged.
func (s *Session) refuse(a Action, j *Jingle, condition string) {
	var named []Content
	for _, c := range j.Contents {
		named = append(named, Content{Creator: c.Creator, Name: c.Name})
	}
	answer := s.message(a, named...)
	answer.Reason = &Reason{Condition: condition}
	s.m.tell(s.peer, answer)
}
