package evil

import (
	"io"
	"sync"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
)

// server is an XMPP server in the attacker's hands.
type server struct {
	seed *uint64 // of the programs' chance; nil: the system's. Set before they start

	mu    sync.Mutex // guards all below, and keeps the order of what is delivered
	links map[string]*link
	masks map[[2]string]*link // by {victim, mask}: gets what the victim sends to the mask
	move  Move                // nil: honest
	heard []*xmpp.Stanza      // everything that clients sent, as they sent it; read only
	last  time.Time           // when the last one was heard
}

func newServer() *server {
	return &server{links: make(map[string]*link), masks: make(map[[2]string]*link)}
}

// connect binds a full JID.
func (s *server) connect(full string) *link {
	l := newLink(s, full)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.links[full] = l
	return l
}

// knows reports whether somebody is connected by this full JID.
func (s *server) knows(full string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.links[full] != nil
}

// mask returns a link on which the attacker speaks to victim as somebody else, and gets what victim sends there.
func (s *server) mask(victim, as string) *link {
	l := newLink(s, as)
	l.mask = true
	s.mu.Lock()
	defer s.mu.Unlock()
	s.masks[[2]string{victim, as}] = l
	return l
}

// become makes the server do as m says; nil makes it honest again.
func (s *server) become(m Move) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.move = m
}

// unmask gives everybody his own stanzas again.
func (s *server) unmask() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.masks)
}

// waitFor waits until somebody is connected. Who was kept from the server for long enough has given his connection up, and tries again.
func (s *server) waitFor(t *testing.T, full string) {
	t.Helper()
	for range 10 * 60 {
		s.mu.Lock()
		online := s.links[full] != nil
		s.mu.Unlock()
		if online {
			return
		}
		time.Sleep(time.Second)
	}
	t.Fatalf("%s has not come back to its server within 10 minutes", full)
}

// sent returns what clients have sent so far.
func (s *server) sent() []*xmpp.Stanza {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*xmpp.Stanza(nil), s.heard...)
}

// quiet returns for how long nobody has sent anything.
func (s *server) quiet() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.last)
}

// inject delivers a stanza that nobody sent.
func (s *server) inject(st *xmpp.Stanza) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deliver(st)
}

func (s *server) route(from *link, st *xmpp.Stanza) {
	st.From = from.local
	s.mu.Lock()
	defer s.mu.Unlock()
	if from.mask {
		s.last = time.Now()
		if from.alter != nil {
			st = Rewrite(st, from.alter)
		}
		if to := s.links[st.To.String()]; to != nil {
			to.put(st)
		}
		return
	}
	s.heard, s.last = append(s.heard, st), time.Now()
	out := []*xmpp.Stanza{st}
	if s.move != nil {
		out = s.move(Clone(st)) // what was heard stays as it was
	}
	for _, st := range out {
		if st != nil { // a move may have made what is no stanza
			s.deliver(st)
		}
	}
}

// deliver hands a stanza to whom it is for, and answers requests to those who are not there (RFC 6120 §8.4).
func (s *server) deliver(st *xmpp.Stanza) {
	to := s.masks[[2]string{st.From.String(), st.To.String()}]
	if to == nil {
		to = s.links[st.To.String()]
	}
	if to != nil {
		to.put(Clone(st))
		return
	}
	if back := s.links[st.From.String()]; back != nil && st.IsRequest() {
		unavailable := &xmpp.Error{Type: xmpp.Cancel, Condition: xmpp.ServiceUnavailable}
		back.put(&xmpp.Stanza{
			Kind: xmpp.IQ, Type: xmpp.Fail, ID: st.ID, From: st.To, To: st.From, Payload: []*xmpp.Element{unavailable.Element()},
		})
	}
}

// link is a client's connection to the server. Its inbox is not bounded: it is for tests.
type link struct {
	server *server
	local  jid.JID
	mask   bool                // the attacker's own: the server's moves do nothing to what it says
	alter  func(string) string // what the attacker changes in its own words; nil: nothing. Set before it speaks

	mu    sync.Mutex // guards both
	cond  *sync.Cond
	inbox []*xmpp.Stanza
	shut  bool
}

func newLink(s *server, full string) *link {
	l := &link{server: s, local: jid.MustParse(full)}
	l.cond = sync.NewCond(&l.mu)
	return l
}

func (l *link) LocalAddr() jid.JID  { return l.local }
func (l *link) RemoteAddr() jid.JID { return jid.JID{} }

func (l *link) ReadStanza() (*xmpp.Stanza, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.shut && len(l.inbox) == 0 {
		l.cond.Wait()
	}
	if l.shut {
		return nil, io.ErrClosedPipe
	}
	st := l.inbox[0]
	l.inbox = l.inbox[1:]
	return st, nil
}

func (l *link) WriteStanza(st *xmpp.Stanza) error {
	l.mu.Lock()
	shut := l.shut
	l.mu.Unlock()
	if shut {
		return io.ErrClosedPipe
	}
	l.server.route(l, Clone(st)) // the sender may go on using it
	return nil
}

func (l *link) Close() error {
	l.mu.Lock()
	l.shut = true
	l.cond.Broadcast()
	l.mu.Unlock()
	l.server.mu.Lock()
	defer l.server.mu.Unlock()
	if l.server.links[l.local.String()] == l {
		delete(l.server.links, l.local.String())
	}
	return nil
}

func (l *link) put(st *xmpp.Stanza) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inbox = append(l.inbox, st)
	l.cond.Broadcast()
}
