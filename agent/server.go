package agent

import (
	"context"

	"xtls-agent/trust"
	"xtls-agent/xmpp"
)

// serveServer keeps the link to the device's server until ctx ends.
func (l *life) serveServer(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// onServer serves one connection to the server. It returns when that has ended.
func (l *life) onServer(ctx context.Context, s *xmpp.Session) error {
	end, registry := l.onOpenLink(s, trust.Server, peerOf(trust.Server, noAddr))
	s.HandlePresence(l.guests.handle)
	defer end.Close()
	defer l.guests.detach()
	if err := l.guests.attach(s, registry); err != nil {
		return err
	}
	return s.Serve(ctx)
}
