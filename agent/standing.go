package agent

import (
	"context"

	"mellium.im/xmpp/jid"

	"xtls-agent/control"
	"xtls-agent/pairing"
	"xtls-agent/trust"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/disco"
	"xtls-agent/xtls"
)

// This file is who may do what: the handlers that stand on each kind of session.

// capsNode identifies this program in entity capabilities (XEP-0115 §4).
const capsNode = "urn:xtls-agent:device"

// onOpenLink stands on a link where anybody may write: through a server, or on the LAN. proven is called when a peer has proven
// itself there.
func (l *life) onOpenLink(s *xmpp.Session, kind trust.Link, peerOf func(jid.JID) pairing.Peer, proven func()) (*xtls.Endpoint, *disco.Registry) {
	registry := l.introduce(s, xtls.Features()...)
	pairing.RefusePubkeys(s)
	end := xtls.New(s, xtls.Config{
		Certificate: l.memory.identity.Certificate,
		Trust:       pairing.Trust(l.memory.owners),
		Tickets:     l.tickets,
		Gate:        l.keeper.Gate(peerOf),
		Serve: func(ctx context.Context, c *xtls.Conn) {
			proven()
			l.serveEncrypted(ctx, c, kind)
		},
		Rand: l.env.Rand,
		Log:  l.log,
	})
	return end, registry
}

// onOwnersSession stands on an x509 session: the peer is an owner. tell tells him the states, until the session ends; revoke takes all
// of it back from one who is no owner any more.
func (l *life) onOwnersSession(s *xmpp.Session, owner trust.Record) (tell, revoke func()) {
	registry := l.introduce(s)
	pairing.AnswerPubkeys(s, l.memory.identity.DER())
	stop := l.forOwners.Mount(s, registry, actor(owner))
	states := l.states.Mount(s)
	return states.Run, func() { states.Stop(); stop() }
}

func actor(owner trust.Record) control.Actor {
	return control.Actor{Owner: owner.JID, Fingerprint: owner.Fingerprint.String()}
}

// onLocalSession stands on the local socket: a person who may use it owns the machine.
func (l *life) onLocalSession(s *xmpp.Session, user string) (tell func()) {
	registry := l.introduce(s)
	l.forLocal.Mount(s, registry, control.Actor{Local: true, LocalUser: user})
	return l.states.Mount(s).Run
}

// introduce is what stands on all of them: who the device is, what it knows there, and that it is alive.
func (l *life) introduce(s *xmpp.Session, features ...string) *disco.Registry {
	registry := disco.NewRegistry(capsNode, disco.Info{
		Identities: []disco.Identity{{Category: "client", Type: "bot", Name: l.cfg.Name.String()}},
		Features:   append(features, xmpp.NSPing),
	})
	disco.Serve(s, registry)
	s.HandlePing()
	return registry
}
