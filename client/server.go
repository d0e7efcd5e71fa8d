package client

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"

	"xtls-agent/owner"
	"xtls-agent/xmpp/c2s"
	"xtls-agent/xmpp/goxmpp"
)

// dialServer logs in.
func dialServer(ctx context.Context, a *Account, log *slog.Logger) (owner.Link, error) {
	roots, err := a.roots()
	if err != nil {
		return nil, err
	}
	if a.Link == LinkC2S {
		link, err := c2s.Dial(ctx, c2s.Config{JID: a.JID, Password: a.password, Server: a.Server, Roots: roots, Log: log})
		if err != nil {
			return nil, err
		}
		return link, nil
	}
	link, err := goxmpp.Dial(ctx, goxmpp.Config{JID: a.JID, Password: a.password, Server: a.Server, Roots: roots, Log: log})
	if err != nil {
		return nil, err
	}
	return link, nil
}

func (a *Account) password() (string, error) { return a.Password(), nil }

// roots returns the CAs for the server; nil means the system's.
func (a *Account) roots() (*x509.CertPool, error) {
	if a.CAFile == "" {
		return nil, nil
	}
	pem, err := readPEM(a.CAFile)
	if err != nil {
		return nil, &UsageError{fmt.Errorf("reading the CA file: %w", err)}
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, usagef("%s holds no PEM certificate", a.CAFile)
	}
	return pool, nil
}
