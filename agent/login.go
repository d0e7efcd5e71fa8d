package agent

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/c2s"
)

// loginLimit bounds a login that somebody waits for.
const loginLimit = 45 * time.Second

// TryLogin logs in to an account with a password, and out again, by the device's own link whatever the configuration selects.
// It returns the address that the server gave. Errors are those of [c2s.Dial].
func TryLogin(ctx context.Context, account *XMPPConfig, password string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, loginLimit)
	defer cancel()
	roots, err := account.roots()
	if err != nil {
		return "", err
	}
	link, err := c2s.Dial(ctx, c2s.Config{
		JID: account.JID.JID, Password: func() (string, error) { return password, nil }, Server: account.Server, Roots: roots,
		Built: builtAfter, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return "", err
	}
	return link.LocalAddr().String(), link.Close()
}

// Refused reports whether a login failed by its account or password, and not on the way to the server.
func Refused(err error) bool { return errors.Is(err, xmpp.ErrNotAuthorized) }
