package agent

import (
	"context"
	"sync"

	"mellium.im/xmpp/jid"

	"xtls-agent/pairing"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/disco"
)

// maxWaiting bounds the subscription requests that are kept until a window opens.
const maxWaiting = 16

// guests is who may see the device on its server: owners always, by subscription; and while a
// window is open those who may try, by directed presence. That is how an owner's program
// finds the device's full JID.
type guests struct {
	life *life

	mu      sync.Mutex // guards all below
	session *xmpp.Session
	caps    disco.Caps
	waiting []jid.JID // bare JIDs whose request is kept, oldest first
}

func newGuests(l *life) *guests { return &guests{life: l} }

// attach takes the session with the server, once it is served, and shows the device to its owners. It
// is called for each new connection.
func (g *guests) attach(s *xmpp.Session, registry *disco.Registry) error {
	caps, err := registry.Caps()
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.session, g.caps, g.waiting = s, caps, nil
	g.postLocked(g.available(jid.JID{}))
	return nil
}

func (g *guests) detach() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.session, g.waiting = nil, nil
}

func (g *guests) available(to jid.JID) *xmpp.Stanza {
	return &xmpp.Stanza{Kind: xmpp.Presence, To: to, Payload: []*xmpp.Element{
		xmpp.NewText(xmpp.NSClient, "priority", "-1"), // commands only, no messages (RFC 6121 §4.7.2.3)
		g.caps.Element(),
	}}
}

func (g *guests) postLocked(st *xmpp.Stanza) {
	if g.session == nil {
		return
	}
	if err := g.session.Post(st); err != nil {
		g.life.log.Warn("presence could not be sent", "err", err)
	}
}

// handle takes presence that arrives from the server.
func (g *guests) handle(_ context.Context, r *xmpp.Request) {
	if r.Type != "subscribe" {
		return
	}
	from := r.From.Bare()
	g.life.log.Debug("subscription request", "from", from.String())
	if g.isOwner(from) {
		g.welcome(from)
		return
	}
	switch err := g.life.keeper.MayTry(g.peer(from)); {
	case err == nil:
		g.keep(from)
		g.show(from)
	case pairing.IsLater(err):
		g.keep(from)
	default: // who may not try at all hears nothing
	}
}

func (g *guests) peer(bare jid.JID) pairing.Peer {
	return pairing.Peer{JID: bare.String(), Link: pairing.LinkServer}
}

// isOwner: a name learnt on the LAN is no owner's here before it was proven here.
func (g *guests) isOwner(bare jid.JID) bool { return g.life.memory.owners.MayTryOnServer(bare) }

// keep remembers a request until a window opens; the oldest goes if there are too many.
func (g *guests) keep(bare jid.JID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, j := range g.waiting {
		if j.Equal(bare) {
			return
		}
	}
	g.waiting = append(g.waiting, bare)
	if over := len(g.waiting) - maxWaiting; over > 0 {
		g.waiting = g.waiting[over:]
	}
}

// show answers with directed presence.
func (g *guests) show(to jid.JID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.postLocked(g.available(to))
}

// windowMayBeOpen answers the kept requests of those who may try now.
func (g *guests) windowMayBeOpen() {
	g.mu.Lock()
	waiting := append([]jid.JID(nil), g.waiting...)
	g.mu.Unlock()
	for _, j := range waiting {
		if g.life.keeper.MayTry(g.peer(j)) == nil {
			g.show(j)
		}
	}
}

// welcome approves an owner's subscription, both ways, and shows the device to him. A server
// ignores what stands already.
func (g *guests) welcome(owner jid.JID) {
	if !g.isOwner(owner) {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.postLocked(&xmpp.Stanza{Kind: xmpp.Presence, Type: "subscribed", To: owner})
	g.postLocked(&xmpp.Stanza{Kind: xmpp.Presence, Type: "subscribe", To: owner})
	g.postLocked(g.available(owner))
}

// dismiss ends the subscription of somebody who is no owner any more.
func (g *guests) dismiss(bare jid.JID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.postLocked(&xmpp.Stanza{Kind: xmpp.Presence, Type: "unsubscribed", To: bare})
	g.postLocked(&xmpp.Stanza{Kind: xmpp.Presence, Type: "unsubscribe", To: bare})
	g.postLocked(&xmpp.Stanza{Kind: xmpp.Presence, Type: "unavailable", To: bare})
}
