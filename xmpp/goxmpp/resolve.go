package goxmpp

import (
	"context"
	"fmt"
	"net"
	"strings"

	"xtls-agent/xmpp/internal/account"
)

// candidates are the ways to try, best first. domain is in ASCII.
func (c Config) candidates(ctx context.Context, domain string) ([]account.Candidate, error) {
	if c.Server != "" {
		return c.configured(), nil
	}
	found, err := account.Lookup(ctx, c.Resolver, c.Mode, domain, func(record string, err error) {
		c.Log.Debug("looking up SRV records", "record", record, "err", err)
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("goxmpp: %w", err)
	case len(found) > 0:
		return found, nil
	case c.Mode == DirectTLS:
		return []account.Candidate{{Addr: net.JoinHostPort(domain, account.PortDirect), Direct: true}}, nil
	}
	return []account.Candidate{{Addr: net.JoinHostPort(domain, account.PortStartTLS)}}, nil // RFC 6120 §3.2.2
}

// configured is the server that the configuration names, with or without a port.
func (c Config) configured() []account.Candidate {
	addr := c.Server
	if _, _, err := net.SplitHostPort(addr); err != nil {
		addr = net.JoinHostPort(strings.Trim(addr, "[]"), account.PortStartTLS)
	}
	return account.BothWays(addr, c.Mode)
}
