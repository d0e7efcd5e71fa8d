package evil

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/stream"
)

// A Relay stands in the place of a real XMPP server and has its key: clients take it for the server, log in through it, and it sees
// and changes all that they say to each other. The server behind it must take clients without TLS and with SCRAM: what
// is bound to a TLS channel is not for the relay, which takes the offer of that away, as an evil server would.
//
// Moves are applied to what the server delivers, where from and to are set. Nothing is lost between the relay
// and the server.
type Relay struct {
	Addr string // where it listens

	target   string
	tls      *tls.Config
	listener net.Listener
	running  sync.WaitGroup

	mu      sync.Mutex // guards all below, and keeps the order of what is delivered
	clients map[string]*stream.Framer
	conns   map[net.Conn]struct{}
	closed  bool
	move    Move
	heard   []*xmpp.Stanza // from the server, to clients
	said    []*xmpp.Stanza // by clients, to the server
}

// NewRelay relays to the server at target, "host:port", until the test ends. cert is the server's.
func NewRelay(t testing.TB, target string, cert tls.Certificate) *Relay {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("evil: relay: %v", err)
	}
	r := &Relay{
		Addr: l.Addr().String(), target: target, listener: l,
		tls:     &tls.Config{Certificates: []tls.Certificate{cert}},
		clients: make(map[string]*stream.Framer), conns: make(map[net.Conn]struct{}),
	}
	r.running.Go(r.accept)
	t.Cleanup(r.close)
	return r
}

// Become makes the relay do as m says with whatever is delivered from now on; nil makes it honest again.
func (r *Relay) Become(m Move) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.move = m
}

// Heard returns what clients have had delivered to them so far, as the server sent it.
func (r *Relay) Heard() []*xmpp.Stanza {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*xmpp.Stanza(nil), r.heard...)
}

// Said returns what clients have said so far. From is not set: they leave that to the server.
func (r *Relay) Said() []*xmpp.Stanza {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*xmpp.Stanza(nil), r.said...)
}

// Inject delivers a stanza that nobody sent to whom it is for.
func (r *Relay) Inject(st *xmpp.Stanza) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	to := r.clients[st.To.String()]
	if to == nil {
		return fmt.Errorf("evil: %s is not connected", st.To)
	}
	return to.WriteElement(st.Element())
}

func (r *Relay) close() {
	_ = r.listener.Close()
	r.mu.Lock()
	r.closed = true
	for c := range r.conns {
		_ = c.Close()
	}
	r.mu.Unlock()
	r.running.Wait()
}

func (r *Relay) accept() {
	for {
		near, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.running.Go(func() {
			defer near.Close()
			if r.keep(near) {
				defer r.drop(near)
				_ = r.serve(near) // the client is gone, or has been sent away
			}
		})
	}
}

// keep notes a connection that is to end with the relay.
func (r *Relay) keep(c net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.conns[c] = struct{}{}
	}
	return !r.closed
}

func (r *Relay) drop(c net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, c)
}

// loginTimeout bounds a login: afterwards clients come and go as they like.
const loginTimeout = time.Minute

func (r *Relay) serve(conn net.Conn) error {
	_ = conn.SetDeadline(time.Now().Add(loginTimeout))
	secured, err := r.startTLS(conn)
	if err != nil {
		return err
	}
	far, err := net.Dial("tcp4", r.target)
	if err != nil {
		return err
	}
	defer far.Close()
	if !r.keep(far) {
		return net.ErrClosed
	}
	defer r.drop(far)
	c := &client{relay: r, nearConn: secured, farConn: far}
	if err := c.logIn(); err != nil {
		return err
	}
	_ = conn.SetDeadline(time.Time{})
	return c.carry()
}

// startTLS plays the server up to TLS (RFC 6120 §5).
func (r *Relay) startTLS(conn net.Conn) (net.Conn, error) {
	f := stream.NewFramer(conn, xmpp.Limits{}, 0)
	h, err := f.ReadHeader()
	if err != nil {
		return nil, err
	}
	const nsTLS = "urn:ietf:params:xml:ns:xmpp-tls"
	features := xmpp.NewElement(xmpp.NSStream, "features", xmpp.NewElement(nsTLS, "starttls", xmpp.NewElement(nsTLS, "required")))
	if err := f.WriteHeader(stream.Header{From: h.To, ID: "evil", Version: "1.0"}, features); err != nil {
		return nil, err
	}
	if el, err := f.ReadElement(); err != nil || !el.Is(nsTLS, "starttls") {
		return nil, errors.Join(err, errors.New("evil: the client asks for no TLS"))
	}
	if err := f.WriteElement(xmpp.NewElement(nsTLS, "proceed")); err != nil {
		return nil, err
	}
	secured := tls.Server(conn, r.tls)
	return secured, secured.HandshakeContext(context.Background()) // the connection has its deadline
}

// client is one connection through the relay.
type client struct {
	relay             *Relay
	nearConn, farConn net.Conn
	near, far         *stream.Framer // on them
}

// restart begins new streams on both connections. Some clients send a newline after an element, which goes nowhere.
func (c *client) restart() {
	c.near, c.far = stream.NewFramer(c.nearConn, xmpp.Limits{}, 0), stream.NewFramer(c.farConn, xmpp.Limits{}, 0)
}

// logIn passes a login by SCRAM on, which goes in turns (RFC 6120 §6.4).
func (c *client) logIn() error {
	c.restart()
	if err := c.open(); err != nil {
		return err
	}
	for {
		if err := pass(c.far, c.near); err != nil {
			return err
		}
		answer, err := c.far.ReadElement()
		if err != nil {
			return err
		}
		if err := c.near.WriteElement(answer); err != nil {
			return err
		}
		if answer.Name.Local == "success" {
			c.restart()
			return c.open()
		}
	}
}

// open passes both headers on, and those features that the relay lets a client have.
func (c *client) open() error {
	h, err := c.near.ReadHeader()
	if err != nil {
		return err
	}
	if err := c.far.WriteHeader(h); err != nil {
		return err
	}
	answer, err := c.far.ReadHeader()
	if err != nil {
		return err
	}
	features, err := c.far.ReadElement()
	if err != nil {
		return err
	}
	return c.near.WriteHeader(answer, allowed(features))
}

// allowed are login by SCRAM without a binding to the channel, and binding a resource: what follows is stanzas.
func allowed(features *xmpp.Element) *xmpp.Element {
	out := xmpp.NewElement(xmpp.NSStream, "features")
	for _, el := range features.Children() {
		switch el.Name.Local {
		case "bind", "session":
			out.Add(el)
		case "mechanisms":
			some := xmpp.NewElement(el.Name.Space, el.Name.Local)
			for _, m := range el.ChildrenNamed(el.Name.Space, "mechanism") {
				if strings.HasPrefix(m.Text(), "SCRAM-") && !strings.HasSuffix(m.Text(), "-PLUS") {
					some.Add(m)
				}
			}
			out.Add(some)
		}
	}
	return out
}

func pass(to, from *stream.Framer) error {
	el, err := from.ReadElement()
	if err != nil {
		return err
	}
	return to.WriteElement(el)
}

// carry carries stanzas until either side ends.
func (c *client) carry() error {
	var up sync.WaitGroup
	defer up.Wait()
	up.Go(func() {
		for c.carryUp() == nil {
		}
		_ = c.farConn.Close()
	})
	defer c.nearConn.Close()
	defer c.relay.forget(c.near)
	for {
		el, err := c.far.ReadElement()
		if err != nil {
			return err
		}
		if err := c.relay.deliver(c.near, el); err != nil {
			return err
		}
	}
}

// carryUp carries one stanza to the server, as it is.
func (c *client) carryUp() error {
	el, err := c.near.ReadElement()
	if err != nil {
		return err
	}
	if st, err := xmpp.ParseStanza(el); err == nil {
		c.relay.mu.Lock()
		c.relay.said = append(c.relay.said, st)
		c.relay.mu.Unlock()
	}
	return c.far.WriteElement(el)
}

func (r *Relay) forget(near *stream.Framer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for full, f := range r.clients {
		if f == near {
			delete(r.clients, full)
		}
	}
}

// deliver hands what the server sent to one client to whom the move says. A client is known by the address that the server
// writes to.
func (r *Relay) deliver(near *stream.Framer, el *xmpp.Element) error {
	st, err := xmpp.ParseStanza(el)
	if err != nil || st.To.Resourcepart() == "" {
		return near.WriteElement(el)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clients[st.To.String()] = near
	r.heard = append(r.heard, Clone(st))
	out := []*xmpp.Stanza{st}
	if r.move != nil && st.From.Resourcepart() != "" { // what clients say; the server's own words stay
		out = r.move(st)
	}
	for _, st := range out {
		if st == nil {
			continue
		}
		to := r.clients[st.To.String()]
		if to == nil {
			continue
		}
		if err := to.WriteElement(st.Element()); err != nil && to == near {
			return err
		}
	}
	return nil
}
