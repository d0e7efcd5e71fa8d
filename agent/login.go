package agent

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"xtls-agent/xmpp"
)

// loginLimit bounds a login that somebody waits for.
const loginLimit = 45 * time.Second

// TryLogin logs in to an account with a password, and out again, by the device's own link whatever the configuration selects.
// It returns the address that the server gave. Errors are those of [c2s.Dial].
func TryLogin(ctx context.Context, cfg *XMPPConfig, password string) (string, error) {
	a := cfg.account()
	a.password, a.link = func() (string, error) { return password, nil }, LinkC2S
	return tryLogin(ctx, func(ctx context.Context) (xmpp.Link, error) {
		return a.dial(ctx, slog.New(slog.DiscardHandler), time.Now)
	})
}

// tryLogin logs in and out again.
func tryLogin(ctx context.Context, dial func(context.Context) (xmpp.Link, error)) (address string, err error) {
	ctx, cancel := context.WithTimeout(ctx, loginLimit)
	defer cancel()
	link, err := dial(ctx)
	if err != nil {
		return "", err
	}
	_ = link.Close() // it was there, and that is all
	return link.LocalAddr().String(), nil
}

// Refused reports whether a login failed by its account or password, and not on the way to the server.
func Refused(err error) bool { return errors.Is(err, xmpp.ErrNotAuthorized) }
