package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"xtls-agent/pairing"
	"xtls-agent/trust"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/c2s"
	"xtls-agent/xmpp/disco"
	"xtls-agent/xmpp/roster"
	"xtls-agent/xtls"
)

// serveServer keeps the link to the device's server until ctx ends.
func (l *life) serveServer(ctx context.Context) error {
	l.env.Ready()
	var link openLink
	defer link.close()
	var registry *disco.Registry // of the connection that is up
	up := l.newUplink()
	if l.env.Dial == nil { // the kernel knows nothing of a link of another kind
		defer l.watch(ctx, &up.network)()
	}
	supervisor := c2s.Supervisor{
		Dial:    func(ctx context.Context) (xmpp.Link, error) { return l.dial(ctx, l.account.by(up)) },
		Network: &up.network,
		Mount: func(s *xmpp.Session) {
			var end *xtls.Endpoint
			end, registry = l.onOpenLink(s, trust.Server, peerOf(trust.Server, noAddr), func() {})
			link.set(s, end)
			roster.HandlePushes(s, func(roster.Item) {})
			l.guests.requests.Mount(s)
		},
		Online: func(ctx context.Context, s *xmpp.Session) error { return l.online(ctx, s, registry) },
		Report: l.reportServer,
		Mended: func() bool { return up.mended(l.account) },
		Log:    l.log,
	}
	return untilFarewell(ctx, &link, supervisor.Run)
}

// dial logs in with an account.
func (l *life) dial(ctx context.Context, a *account) (xmpp.Link, error) {
	if l.env.Dial != nil {
		return l.env.Dial(ctx)
	}
	return a.dial(ctx, l.log, l.env.Now)
}

// online runs beside each connection: it shows the device, publishes its certificate, and answers
// who asks to see it.
func (l *life) online(ctx context.Context, s *xmpp.Session, registry *disco.Registry) error {
	caps, err := registry.Caps()
	if err != nil {
		return err
	}
	// Some servers tell about subscriptions only who has asked for the roster (RFC 6121 §2.1.3).
	if _, err := roster.Get(ctx, s); err != nil {
		l.log.Warn("asking for the roster", "err", err)
	}
	defer l.publish(ctx, s)()
	// Priority 0, although nobody needs to send messages here: with a negative one ejabberd keeps to itself who asked to
	// see the device while it was offline.
	return l.guests.serve(ctx, s, roster.Presence{Payload: []*xmpp.Element{caps.Element()}})
}

// reportServer notes how the link is doing, and tells the person at the device what only a
// person can mend.
func (l *life) reportServer(st c2s.State) {
	addr, words := l.account.jid.String(), st.Phase.String()
	if st.Phase == c2s.Online {
		addr = st.Addr.String()
		l.log.Info("online", "as", addr)
		l.trouble("")
	}
	if st.Phase == c2s.Resuming {
		words = fmt.Sprintf("%v: %v", st.Phase, st.Err)
	}
	if st.Phase == c2s.Waiting {
		words = fmt.Sprintf("waiting until %s: %v", st.Until.Format(time.TimeOnly), st.Err)
		l.trouble(troubleInWords(st.Err))
	}
	l.links.set(string(l.account.link), addr, words)
}

// troubleInWords says what keeps the device offline, where it is for a person to mend; else "".
func troubleInWords(err error) string {
	var cert *xmpp.CertificateError
	switch {
	case errors.As(err, &cert) && cert.ClockUnset:
		return pairing.Notice{Kind: pairing.NoticeClockNotSet}.Text()
	case errors.Is(err, xmpp.ErrNotAuthorized):
		return "The server refuses this device's account or password."
	case errors.Is(err, xmpp.ErrConflict):
		return "Somebody else is logged in as this device."
	case errors.As(err, &cert):
		return "The server's certificate does not verify. See the log."
	}
	return ""
}
