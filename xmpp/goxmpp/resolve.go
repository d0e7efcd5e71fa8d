package goxmpp

import (
	"cmp"
	"context"
	"net"
	"slices"
	"strconv"
	"strings"
)

// candidate is one way to the server.
type candidate struct {
	addr   string // host:port
	direct bool   // TLS from the first byte (XEP-0368)
}

// candidates are the ways to try, best first. domain is in ASCII.
func (c Config) candidates(ctx context.Context, domain string) []candidate {
	if c.Server == "" {
		return c.lookup(ctx, domain)
	}
	addr := c.Server
	if _, _, err := net.SplitHostPort(addr); err != nil {
		addr = net.JoinHostPort(strings.Trim(addr, "[]"), "5222")
	}
	direct, plain := candidate{addr, true}, candidate{addr, false}
	switch _, port, _ := net.SplitHostPort(addr); {
	case c.Mode == DirectTLS:
		return []candidate{direct}
	case c.Mode == StartTLS:
		return []candidate{plain}
	case port == "5223" || port == "443":
		return []candidate{direct, plain}
	}
	return []candidate{plain, direct}
}

// lookup follows XEP-0368: the records of both services as one list, by priority. Without any it is RFC 6120 §3.2.2.
func (c Config) lookup(ctx context.Context, domain string) []candidate {
	type record struct {
		candidate
		priority uint16
	}
	var found []record
	for _, service := range []struct {
		name   string
		direct bool
		not    Mode
	}{{"xmpps-client", true, StartTLS}, {"xmpp-client", false, DirectTLS}} {
		if c.Mode == service.not {
			continue
		}
		_, records, err := c.Resolver.LookupSRV(ctx, service.name, "tcp", domain)
		if err != nil {
			c.Logger.Debug("looking up SRV records", "service", service.name, "err", err)
		}
		for _, r := range records { // already in the order of RFC 2782
			if host := strings.TrimSuffix(r.Target, "."); host != "" { // "." means: not here
				addr := net.JoinHostPort(host, strconv.Itoa(int(r.Port)))
				found = append(found, record{candidate{addr, service.direct}, r.Priority})
			}
		}
	}
	slices.SortStableFunc(found, func(a, b record) int { return cmp.Compare(a.priority, b.priority) })
	var out []candidate
	for _, r := range found {
		out = append(out, r.candidate)
	}
	if out == nil && c.Mode == DirectTLS {
		return []candidate{{net.JoinHostPort(domain, "5223"), true}}
	}
	if out == nil {
		return []candidate{{net.JoinHostPort(domain, "5222"), false}}
	}
	return out
}
