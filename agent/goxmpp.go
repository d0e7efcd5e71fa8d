//go:build !minimal

package agent

import (
	"context"
	"crypto/x509"
	"log/slog"
	"time"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/goxmpp"
)

// checkGoXMPP is nil where this build has the link.
func checkGoXMPP() error { return nil }

func (a *account) dialGoXMPP(ctx context.Context, roots *x509.CertPool, log *slog.Logger, now func() time.Time) (xmpp.Link, error) {
	link, err := goxmpp.Dial(ctx, goxmpp.Config{
		JID: a.jid, Password: a.password, Server: a.server, Roots: roots, Built: builtAfter, Log: log, Now: now,
	})
	if err != nil {
		return nil, err
	}
	return link, nil
}
