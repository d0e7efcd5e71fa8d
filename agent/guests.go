package agent

import (
	"context"
	"errors"
	"slices"
	"sync"

	"mellium.im/xmpp/jid"

	"xtls-agent/pairing"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/roster"
)

// guests is who may see the device on its server: owners always, by subscription; and while a
// window is open those who may try, by directed presence. That is how an owner's program
// finds the device's full JID.
type guests struct {
	life     *life
	requests *roster.Requests
	work     chan guestWork // for the connection that is up, if there is one
	asking   *queue         // who may try, and is to be shown the device
}

// guestWork is something to say to a server, or through it.
type guestWork func(ctx context.Context, s *xmpp.Session, p roster.Presence) error

// maxGuestWork bounds what waits to be said. What is beyond it is said when somebody asks again.
const maxGuestWork = 64

func newGuests(l *life) *guests {
	g := &guests{life: l, work: make(chan guestWork, maxGuestWork), asking: newQueue()}
	g.requests = roster.NewRequests(g.mayAsk, g.asked, g.answer)
	return g
}

// serve shows the device on a new connection and says what there is to say, until ctx ends.
func (g *guests) serve(ctx context.Context, s *xmpp.Session, p roster.Presence) error {
	for len(g.work) > 0 { // meant for an earlier connection, or said below all the same
		<-g.work
	}
	g.asking.clear()
	for _, j := range g.life.agent.parting.list() { // before they see the device once more
		if err := g.part(ctx, s, j); err != nil {
			return err
		}
	}
	if err := roster.Announce(ctx, s, jid.JID{}, p); err != nil {
		return err
	}
	for _, j := range g.requests.Pending() {
		g.asked(j)
	}
	for {
		select {
		case say := <-g.work:
			if err := say(ctx, s, p); err != nil {
				return err
			}
		case <-g.asking.waiting:
			if bare, ok := g.asking.next(); ok && g.mayBeShown(bare) { // still
				if err := roster.Announce(ctx, s, bare, p); err != nil {
					return err
				}
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (g *guests) do(w guestWork) {
	select {
	case g.work <- w:
	default:
		g.life.log.Warn("too much to say to the server at once")
	}
}

func (g *guests) peer(bare jid.JID) pairing.Peer {
	return pairing.Peer{JID: bare.String(), Link: pairing.LinkServer}
}

// isOwner: a name learnt on the LAN is no owner's here before it was proven here.
func (g *guests) isOwner(bare jid.JID) bool { return g.life.memory.owners.MayTryOnServer(bare) }

// isKnown: there is a record of that name. Its certificate may be proven here, whichever link it was learnt on.
func (g *guests) isKnown(bare jid.JID) bool { return len(g.life.memory.owners.ByJID(bare)) > 0 }

// mayAsk: a request is kept from owners, and from who may try now or when a window opens.
func (g *guests) mayAsk(bare jid.JID) bool {
	if g.isKnown(bare) {
		return true
	}
	err := g.life.keeper.MayTry(g.peer(bare))
	return err == nil || pairing.IsLater(err)
}

func (g *guests) asked(bare jid.JID) {
	if g.isOwner(bare) {
		g.welcome(bare)
		return
	}
	g.answer(bare)
}

// windowMayBeOpen answers the kept requests of those who may try now.
func (g *guests) windowMayBeOpen() {
	for _, j := range g.requests.Pending() {
		g.answer(j)
	}
}

// mayBeShown: the device shows itself to somebody who may try now, by PIN or by certificate, and to somebody who has
// tried too often, so that he is told so.
func (g *guests) mayBeShown(bare jid.JID) bool {
	err := g.life.keeper.MayTry(g.peer(bare))
	return g.isKnown(bare) || err == nil || errors.Is(err, pairing.ErrTooMany)
}

// answer shows the device to somebody, in his turn.
func (g *guests) answer(bare jid.JID) {
	if !g.mayBeShown(bare) {
		return
	}
	if !g.asking.add(bare) {
		g.life.log.Warn("too many want to see the device at once", "peer", bare.String())
	}
}

// welcome approves an owner's subscription, both ways, and shows the device to him. A server
// ignores what stands already.
func (g *guests) welcome(owner jid.JID) {
	if !g.isOwner(owner) {
		return
	}
	g.do(func(ctx context.Context, s *xmpp.Session, p roster.Presence) error {
		if err := g.requests.Accept(ctx, s, owner); err != nil {
			return err
		}
		return roster.Announce(ctx, s, owner, p)
	})
}

// dismiss ends the subscription of somebody who is no owner any more: now, or when there is a connection.
func (g *guests) dismiss(bare jid.JID) {
	g.life.agent.parting.add(bare)
	g.do(func(ctx context.Context, s *xmpp.Session, _ roster.Presence) error {
		if err := g.part(ctx, s, bare); err != nil {
			return err
		}
		return roster.Leave(ctx, s, bare)
	})
}

// part takes the subscription back, both ways, unless the address is an owner's again.
func (g *guests) part(ctx context.Context, s *xmpp.Session, bare jid.JID) error {
	if !g.isOwner(bare) {
		if err := g.requests.Refuse(ctx, s, bare); err != nil {
			return err
		}
		if err := roster.Unsubscribe(ctx, s, bare); err != nil {
			return err
		}
	}
	g.life.agent.parting.remove(bare)
	return nil
}

// parting is whose subscriptions are still to be ended. It outlives connections, and wipes.
type parting struct {
	mu   sync.Mutex // guards jids
	jids []jid.JID
}

// maxParting bounds it; the oldest goes.
const maxParting = 256

func (p *parting) add(j jid.JID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.jids = append(slices.DeleteFunc(p.jids, j.Equal), j)
	p.jids = p.jids[max(0, len(p.jids)-maxParting):]
}

func (p *parting) remove(j jid.JID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.jids = slices.DeleteFunc(p.jids, j.Equal)
}

func (p *parting) list() []jid.JID {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.jids)
}
