//go:build minimal

package agent

import (
	"context"
	"crypto/x509"
	"errors"

	"xtls-agent/xmpp"
)

// errNoGoXMPP is what a configuration hears that asks for the link that was left out.
var errNoGoXMPP = errors.New(`this build has no link "go-xmpp": it was made with the tag minimal, which has "c2s" alone`)

func checkGoXMPP() error { return errNoGoXMPP }

func (l *life) dialGoXMPP(context.Context, *x509.CertPool) (xmpp.Link, error) {
	return nil, errNoGoXMPP
}
