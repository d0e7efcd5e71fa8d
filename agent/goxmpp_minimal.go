//go:build minimal

package agent

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"time"

	"xtls-agent/xmpp"
)

// errNoGoXMPP is what a configuration hears that asks for the link that was left out.
var errNoGoXMPP = errors.New(`this build has no link "go-xmpp": it was made with the tag minimal, which has "c2s" alone`)

func checkGoXMPP() error { return errNoGoXMPP }

func (*account) dialGoXMPP(context.Context, *x509.CertPool, *slog.Logger, func() time.Time) (xmpp.Link, error) {
	return nil, errNoGoXMPP
}
