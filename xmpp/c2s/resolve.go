package c2s

import (
	"context"
	"fmt"
	"net"
	"slices"

	"xtls-agent/xmpp/internal/account"
)

// candidates returns where to try, in order.
func candidates(ctx context.Context, cfg Config) ([]account.Candidate, error) {
	if cfg.Server != "" {
		return configured(cfg)
	}
	host, err := cfg.host()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.StepTimeout)
	defer cancel()
	found, err := account.Lookup(ctx, cfg.Resolver, cfg.Mode, host, func(record string, err error) {
		cfg.Log.Warn("looking up the server failed; trying without", "record", record, "err", err)
	})
	if err != nil {
		return nil, fmt.Errorf("c2s: %w", err)
	}
	if len(found) == 0 { // RFC 6120 §3.2.2
		return bothWays(net.JoinHostPort(host, account.PortStartTLS), cfg.Mode), nil
	}
	// RFC 2782 orders each kind. Direct TLS comes first, since it is there two round trips sooner (XEP-0368 §3 leaves that to the client).
	slices.SortStableFunc(found, func(a, b account.Candidate) int {
		switch {
		case a.Direct == b.Direct:
			return 0
		case a.Direct:
			return -1
		}
		return 1
	})
	return found, nil
}

// configured is the server that the configuration names. Which kind of port it is says the mode, or trying.
func configured(cfg Config) ([]account.Candidate, error) {
	host, port, err := net.SplitHostPort(cfg.Server)
	if err != nil || host == "" || port == "" {
		return nil, fmt.Errorf("c2s: server %q is not of the form host:port", cfg.Server)
	}
	return bothWays(cfg.Server, cfg.Mode), nil
}

// bothWays tries an address with STARTTLS and with direct TLS, unless the mode says which, or the port, which is
// registered for STARTTLS.
func bothWays(addr string, mode Mode) []account.Candidate {
	if _, port, _ := net.SplitHostPort(addr); mode == Auto && port == account.PortStartTLS { // callers have checked or made it
		mode = StartTLS
	}
	return account.BothWays(addr, mode)
}
