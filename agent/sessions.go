package agent

import (
	"sync"

	"xtls-agent/trust"
	"xtls-agent/xmpp"
)

// sessions are the open x509 sessions, so that a removal ends them and news reaches them.
type sessions struct {
	mu   sync.Mutex // guards open
	open map[*xmpp.Session]openSession
}

type openSession struct {
	key trust.Key
	end func()
}

func newSessions() *sessions { return &sessions{open: make(map[*xmpp.Session]openSession)} }

// add registers a session until the returned function is called. end ends it at once.
func (s *sessions) add(session *xmpp.Session, key trust.Key, end func()) (remove func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[session] = openSession{key, end}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.open, session)
	}
}

// closeOf ends the sessions of one owner's certificate.
func (s *sessions) closeOf(key trust.Key) {
	s.mu.Lock()
	var ends []func()
	for _, o := range s.open {
		if o.key.Equal(key) {
			ends = append(ends, o.end)
		}
	}
	s.mu.Unlock()
	for _, end := range ends {
		end()
	}
}

// of calls f for every open session of one owner's certificate.
func (s *sessions) of(key trust.Key, f func(*xmpp.Session)) {
	s.mu.Lock()
	var list []*xmpp.Session
	for session, o := range s.open {
		if o.key.Equal(key) {
			list = append(list, session)
		}
	}
	s.mu.Unlock()
	for _, session := range list {
		f(session)
	}
}
