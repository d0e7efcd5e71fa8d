package roster

import (
	"context"
	"fmt"
	"strconv"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
)

// Presence is what is shown of an entity that is available.
type Presence struct {
	Status   string          // for people; may be empty
	Priority int             // -128 to 127; below 0 takes no messages to the bare address (RFC 6121 §4.7.2.3)
	Payload  []*xmpp.Element // capabilities, for example
}

// Announce says that s is available: to everybody who may know if to is zero, else to that
// address alone (directed presence, RFC 6121 §4.6).
func Announce(ctx context.Context, s *xmpp.Session, to jid.JID, p Presence) error {
	var payload []*xmpp.Element
	if p.Status != "" {
		payload = append(payload, xmpp.NewText(xmpp.NSClient, "status", p.Status))
	}
	if p.Priority != 0 {
		payload = append(payload, xmpp.NewText(xmpp.NSClient, "priority", strconv.Itoa(p.Priority)))
	}
	return send(ctx, s, to, "", append(payload, p.Payload...)...)
}

// Leave takes back what Announce said to the same address.
func Leave(ctx context.Context, s *xmpp.Session, to jid.JID) error {
	return send(ctx, s, to, typeUnavailable)
}

// Subscribe asks to see the presence of peer (RFC 6121 §3.1.1).
func Subscribe(ctx context.Context, s *xmpp.Session, peer jid.JID) error {
	return send(ctx, s, peer.Bare(), typeSubscribe)
}

// Unsubscribe says that the presence of peer is not wanted any more (RFC 6121 §3.3.1).
func Unsubscribe(ctx context.Context, s *xmpp.Session, peer jid.JID) error {
	return send(ctx, s, peer.Bare(), typeUnsubscribe)
}

// Approve lets peer see the own presence (RFC 6121 §3.1.4), also before it asked where the
// server knows pre-approval (§3.4).
func Approve(ctx context.Context, s *xmpp.Session, peer jid.JID) error {
	return send(ctx, s, peer.Bare(), typeSubscribed)
}

// Deny refuses a request of peer, or takes an approval back (RFC 6121 §3.2.1).
func Deny(ctx context.Context, s *xmpp.Session, peer jid.JID) error {
	return send(ctx, s, peer.Bare(), typeUnsubscribed)
}

func send(ctx context.Context, s *xmpp.Session, to jid.JID, typ string, payload ...*xmpp.Element) error {
	err := s.Send(ctx, &xmpp.Stanza{Kind: xmpp.Presence, Type: typ, To: to, Payload: payload})
	if err != nil {
		return fmt.Errorf("roster: presence to %s: %w", to, err)
	}
	return nil
}
