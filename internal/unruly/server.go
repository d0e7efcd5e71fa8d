package unruly

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/internal/testpeer"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/c2s"
)

// Domain is the server's, and Password that of each of its accounts.
const (
	Domain   = "home.example"
	Password = "secret"
)

// Server is an unruly server. Whoever has an account here sees the presence of all others.
type Server struct {
	t         testing.TB
	plan      *Plan
	authority *testpeer.Authority
	config    *tls.Config
	serving   sync.WaitGroup

	mu       sync.Mutex // guards all below
	closed   bool
	conns    map[*conn]bool
	streams  map[string]*session // by the id of their stream
	counted  map[string]uint32   // of streams that are gone, how much of them was handled
	bound    map[string]*session // by full JID
	tokens   map[string]string   // by account
	named    int                 // streams and tokens so far
	received map[string][]string // by account, the ids of messages to the domain, as they were handled
	arrived  map[string][]string // and of those from the domain, as they were acknowledged
	trouble  []string            // what clients did that they may not
}

// New starts a server whose connections suffer what the plan says. It ends with the test, in whose bubble all of it is.
func New(t testing.TB, plan *Plan) *Server {
	a := testpeer.NewAuthority(t)
	s := &Server{
		t: t, plan: plan, authority: a,
		config: &tls.Config{Certificates: []tls.Certificate{a.Issue(t, testpeer.Validity{}, Domain).TLS}, DynamicRecordSizingDisabled: true},
		conns:  make(map[*conn]bool), streams: make(map[string]*session), counted: make(map[string]uint32), bound: make(map[string]*session),
		tokens: make(map[string]string), received: make(map[string][]string), arrived: make(map[string][]string),
	}
	t.Cleanup(s.close)
	return s
}

func (s *Server) close() {
	s.mu.Lock()
	s.closed = true
	for c := range s.conns {
		c.cut()
	}
	for _, one := range s.streams {
		one.expiry.Stop()
	}
	s.mu.Unlock()
	s.serving.Wait()
	for _, what := range s.trouble {
		s.t.Error(what)
	}
}

// DialContext implements [c2s.Dialer]: it connects to the server, whatever the address.
func (s *Server) DialContext(context.Context, string, string) (net.Conn, error) {
	here, there := newPipe()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, net.ErrClosed
	}
	c := newConn(s, here)
	s.conns[c] = true
	s.serving.Go(c.serve)
	return there, nil
}

// Config is what a client needs to log in to an account.
func (s *Server) Config(user string) c2s.Config {
	return c2s.Config{
		JID: jid.MustParse(user + "@" + Domain), Password: func() (string, error) { return Password, nil },
		Server: Domain + ":5223", Mode: c2s.DirectTLS, Roots: s.authority.Pool, Dialer: s,
	}
}

// Received returns the ids of the messages that the account has sent to the domain, as they were handled.
func (s *Server) Received(user string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.received[user]...)
}

// Acknowledged returns the ids of the messages from the domain that the account's clients have acknowledged.
func (s *Server) Acknowledged(user string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.arrived[user]...)
}

// Send sends a message with this id to each client of an account.
func (s *Server) Send(user, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, to := range s.of(user + "@" + Domain) {
		to.deliver(&xmpp.Stanza{Kind: xmpp.Message, ID: id, From: jid.MustParse(Domain)})
	}
}

// complain notes what a client did that it may not. The caller holds mu.
func (s *Server) complain(format string, args ...any) {
	s.trouble = append(s.trouble, fmt.Sprintf(format, args...))
}

// name is one that was never given. The caller holds mu.
func (s *Server) name(what string) string {
	s.named++
	return fmt.Sprintf("%s-%d", what, s.named)
}

// of returns the sessions of a bare JID. The caller holds mu.
func (s *Server) of(bare string) (out []*session) {
	for _, one := range s.bound {
		if one.full.Bare().String() == bare {
			out = append(out, one)
		}
	}
	return out
}

// handle does what a stanza of a client wants. The caller holds mu.
func (s *Server) handle(from *session, st *xmpp.Stanza) {
	st.From = from.full
	to := s.bound[st.To.String()]
	switch {
	case st.Kind == xmpp.Presence:
		s.presence(from, st)
	case to != nil:
		to.deliver(st)
	case st.Kind == xmpp.Message && st.To.String() == Domain:
		s.received[from.full.Localpart()] = append(s.received[from.full.Localpart()], st.ID)
	case st.IsRequest():
		from.deliver(s.answer(from, st))
	}
}

// answer answers a request in the name of the server, or of who is not there. The caller holds mu.
func (s *Server) answer(from *session, st *xmpp.Stanza) *xmpp.Stanza {
	answer := &xmpp.Stanza{Kind: xmpp.IQ, Type: xmpp.Result, ID: st.ID, From: st.To}
	switch {
	case st.Child(xmpp.NSPing, "ping") != nil && st.To.String() == Domain:
	case st.Child("jabber:iq:roster", "query") != nil:
		answer.Payload = []*xmpp.Element{xmpp.NewElement("jabber:iq:roster", "query")}
	default:
		answer.Type = xmpp.Fail
		answer.Payload = []*xmpp.Element{(&xmpp.Error{Type: xmpp.Cancel, Condition: xmpp.ServiceUnavailable}).Element()}
	}
	return answer
}

// presence tells everybody who is there; a subscription stands already. The caller holds mu.
func (s *Server) presence(from *session, st *xmpp.Stanza) {
	switch to := st.To.String(); {
	case to == "":
		from.shown = st
		for _, other := range s.bound {
			if other == from {
				continue
			}
			other.deliver(st)
			if other.shown != nil && st.Type == "" {
				from.deliver(other.shown)
			}
		}
	case st.Type == "subscribe":
		from.deliver(&xmpp.Stanza{Kind: xmpp.Presence, Type: "subscribed", From: st.To})
		for _, other := range s.of(to) {
			if other.shown != nil {
				from.deliver(other.shown)
			}
		}
	case st.Type == "" && !strings.Contains(to, "/"):
		for _, other := range s.of(to) {
			other.deliver(st)
		}
	case s.bound[to] != nil:
		s.bound[to].deliver(st)
	}
}

// resumable is for how long a stream is kept whose connection is lost.
const resumable = 5 * time.Minute
