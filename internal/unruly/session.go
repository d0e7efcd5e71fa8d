package unruly

import (
	"fmt"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
)

const nsSM = "urn:xmpp:sm:3"

// session is a client's stream, which outlasts its connections. The server's mu guards it.
type session struct {
	server  *Server
	full    jid.JID
	id      string // of the stream
	conn    *conn  // nil while there is none
	expiry  *time.Timer
	shown   *xmpp.Stanza // the client's presence; nil: none
	handled uint32       // of the client's stanzas

	acked  uint32         // of ours, so many the client has handled
	out    []*xmpp.Stanza // and these it has not acknowledged
	before []*xmpp.Stanza // what it acknowledged last, for Repeat
	repeat bool
}

// bind makes a session of a new stream. The caller holds mu.
func (s *Server) bind(full jid.JID) *session {
	one := &session{server: s, full: full, id: s.name("stream")}
	one.expiry = time.AfterFunc(resumable, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if one.conn == nil {
			one.end(true)
		}
	})
	one.expiry.Stop()
	s.streams[one.id], s.bound[full.String()] = one, one
	return one
}

// deliver sends a stanza to the client, now or when it is back.
func (one *session) deliver(st *xmpp.Stanza) {
	own := *st
	own.To = one.full
	one.out = append(one.out, &own)
	if one.conn != nil {
		one.conn.send(&own)
	}
}

// acknowledged takes the client's count, which must be one that it can have.
func (one *session) acknowledged(h uint32) bool {
	n := h - one.acked
	if n > uint32(len(one.out)) {
		one.server.complain("%s acknowledges %d stanzas of %d", one.full, h, one.acked+uint32(len(one.out)))
		return false
	}
	if n > 0 {
		one.before = one.out[:n]
	}
	for _, st := range one.out[:n] {
		if st.Kind == xmpp.Message && st.From.String() == Domain && st.ID != "" {
			one.server.arrived[one.full.Localpart()] = append(one.server.arrived[one.full.Localpart()], st.ID)
		}
	}
	one.out, one.acked = one.out[n:], h
	return true
}

// detach takes the connection away; the stream waits for another.
func (one *session) detach(c *conn) {
	if one.conn != c {
		return
	}
	one.conn = nil
	if !one.server.closed {
		one.expiry.Reset(resumable)
	}
}

// resume goes on with the stream on a connection. What was not acknowledged is sent again.
func (one *session) resume(c *conn, h uint32) {
	if one.conn != nil {
		one.conn.cut()
	}
	one.expiry.Stop()
	one.conn = c
	if !one.acknowledged(h) {
		return
	}
	if one.repeat {
		one.out, one.repeat = append(append([]*xmpp.Stanza(nil), one.before...), one.out...), false
	}
	for _, st := range one.out {
		c.send(st)
	}
}

// end forgets the stream, and what the client has not got comes back to who sent it. With counted, how much was handled is remembered.
func (one *session) end(counted bool) {
	s := one.server
	if s.streams[one.id] != one {
		return
	}
	one.expiry.Stop()
	delete(s.streams, one.id)
	delete(s.bound, one.full.String())
	if counted {
		s.counted[one.id] = one.handled
	}
	if one.shown != nil {
		gone := &xmpp.Stanza{Kind: xmpp.Presence, Type: "unavailable", From: one.full}
		for _, other := range s.bound {
			other.deliver(gone)
		}
	}
	for _, st := range one.out {
		if from := s.bound[st.From.String()]; from != nil && st.IsRequest() {
			from.deliver(s.answer(from, &xmpp.Stanza{Kind: xmpp.IQ, Type: xmpp.Get, ID: st.ID, To: one.full}))
		}
	}
	if one.conn != nil {
		one.conn.cut()
		one.conn = nil
	}
}

func ack(h uint32) string { return fmt.Sprintf("<a xmlns='%s' h='%d'/>", nsSM, h) }
