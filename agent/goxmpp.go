//go:build !minimal

package agent

import (
	"context"
	"crypto/x509"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/goxmpp"
)

// checkGoXMPP is nil where this build has the link.
func checkGoXMPP() error { return nil }

func (l *life) dialGoXMPP(ctx context.Context, roots *x509.CertPool) (xmpp.Link, error) {
	cfg := l.cfg.XMPP
	link, err := goxmpp.Dial(ctx, goxmpp.Config{
		JID: cfg.JID.JID, Password: cfg.Password, Server: cfg.Server, Roots: roots, Built: builtAfter,
		Log: l.log, Now: l.env.Now,
	})
	if err != nil {
		return nil, err
	}
	return link, nil
}
