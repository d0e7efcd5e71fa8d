// Package linktest holds what tests of links, and of everything on top of them, share: an
// in-memory server ([Router]), a link between two parties ([Pipe]), sessions that run ([Serve]), and the conformance
// suite that every [xmpp.Link] passes ([Run]).
package linktest

import (
	"io"
	"sync"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
)

// Router is a server in memory: it stamps From on what its links send, routes by To, answers requests
// to addresses that are not there with service-unavailable, and drops the rest.
type Router struct {
	// Tamper, if set, sees each stanza before it is routed, in order, and returns what is routed
	// in its place: an evil server. It is set before the first Connect.
	Tamper func(*xmpp.Stanza) []*xmpp.Stanza

	mu    sync.Mutex // guards links; held while routing, so that order is kept
	links map[string]*memLink
}

// NewRouter returns a server without clients.
func NewRouter() *Router { return &Router{links: make(map[string]*memLink)} }

// Connect binds a full JID and returns its link.
func (r *Router) Connect(full string) xmpp.Link {
	l := newMemLink(jid.MustParse(full), jid.JID{})
	l.send = r.route
	l.closed = func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.links, full)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.links[full] = l
	return l
}

func (r *Router) route(from *memLink, st *xmpp.Stanza) {
	r.mu.Lock()
	defer r.mu.Unlock()
	st.From = from.local
	out := []*xmpp.Stanza{st}
	if r.Tamper != nil {
		out = r.Tamper(st)
	}
	for _, st := range out {
		if to := r.links[st.To.String()]; to != nil {
			to.deliver(st)
			continue
		}
		if st.IsRequest() {
			bounce := &xmpp.Stanza{Kind: xmpp.IQ, Type: xmpp.Fail, ID: st.ID, From: st.To, To: st.From}
			bounce.Payload = []*xmpp.Element{(&xmpp.Error{Type: xmpp.Cancel, Condition: xmpp.ServiceUnavailable}).Element()}
			from.deliver(bounce)
		}
	}
}

// Pipe returns the two ends of a link between a and b.
func Pipe(a, b string) (xmpp.Link, xmpp.Link) {
	la := newMemLink(jid.MustParse(a), jid.MustParse(b))
	lb := newMemLink(la.remote, la.local)
	join := func(to *memLink) func(*memLink, *xmpp.Stanza) {
		return func(from *memLink, st *xmpp.Stanza) {
			st.From, st.To = from.local, from.remote
			to.deliver(st)
		}
	}
	la.send, lb.send = join(lb), join(la)
	la.closed, lb.closed = lb.end, la.end
	return la, lb
}

// memLink is a link in memory. Its inbox is not bounded: it is for tests.
type memLink struct {
	local, remote jid.JID
	send          func(from *memLink, st *xmpp.Stanza)
	closed        func() // called once, by Close

	mu    sync.Mutex // guards all below
	cond  *sync.Cond
	inbox []*xmpp.Stanza
	ended bool // by the other side
	shut  bool // by Close
}

func newMemLink(local, remote jid.JID) *memLink {
	l := &memLink{local: local, remote: remote}
	l.cond = sync.NewCond(&l.mu)
	return l
}

func (l *memLink) LocalAddr() jid.JID  { return l.local }
func (l *memLink) RemoteAddr() jid.JID { return l.remote }

func (l *memLink) ReadStanza() (*xmpp.Stanza, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.shut && !l.ended && len(l.inbox) == 0 {
		l.cond.Wait()
	}
	switch {
	case l.shut:
		return nil, io.ErrClosedPipe
	case len(l.inbox) == 0:
		return nil, io.EOF
	}
	st := l.inbox[0]
	l.inbox = l.inbox[1:]
	return st, nil
}

// WriteStanza passes st on as a peer would see it: encoded and parsed again.
func (l *memLink) WriteStanza(st *xmpp.Stanza) error {
	l.mu.Lock()
	gone := l.shut || l.ended
	l.mu.Unlock()
	if gone {
		return io.ErrClosedPipe
	}
	el, err := xmpp.ParseElement([]byte(st.Element().String()), xmpp.Limits{})
	if err != nil {
		return err
	}
	again, err := xmpp.ParseStanza(el)
	if err != nil {
		return err
	}
	l.send(l, again)
	return nil
}

func (l *memLink) Close() error {
	l.mu.Lock()
	first := !l.shut
	l.shut = true
	l.cond.Broadcast()
	l.mu.Unlock()
	if first {
		l.closed()
	}
	return nil
}

func (l *memLink) deliver(st *xmpp.Stanza) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inbox = append(l.inbox, st)
	l.cond.Broadcast()
}

func (l *memLink) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.cond.Broadcast()
}
