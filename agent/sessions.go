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
	key   trust.Key
	end   func()
	nudge chan struct{} // holds one token: there is something to tell
}

func newSessions() *sessions { return &sessions{open: make(map[*xmpp.Session]openSession)} }

// add registers a session until the returned function is called. end ends it at once. What is
// sent on nudge says that there is something to tell.
func (s *sessions) add(session *xmpp.Session, key trust.Key, end func()) (nudge <-chan struct{}, remove func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := openSession{key, end, make(chan struct{}, 1)}
	s.open[session] = o
	return o.nudge, func() {
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
func (s *sessions) of(key trust.Key, f func(s *xmpp.Session, nudge chan<- struct{})) {
	s.mu.Lock()
	list := make(map[*xmpp.Session]openSession)
	for session, o := range s.open {
		if o.key.Equal(key) {
			list[session] = o
		}
	}
	s.mu.Unlock()
	for session, o := range list {
		f(session, o.nudge)
	}
}
