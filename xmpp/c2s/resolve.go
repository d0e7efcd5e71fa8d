package c2s

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
)

// candidate is a place where the server may be.
type candidate struct {
	addr   string // host:port
	direct bool   // direct TLS, else STARTTLS
}

// maxCandidates bounds what DNS can make us try.
const maxCandidates = 8

const (
	portStartTLS = "5222"
	portDirect   = "5223"
	portHTTPS    = "443" // where direct TLS hides from firewalls
)

// candidates returns where to try, in order.
func candidates(ctx context.Context, cfg Config) ([]candidate, error) {
	if cfg.Server != "" {
		return configured(cfg)
	}
	host, err := cfg.host()
	if err != nil {
		return nil, err
	}
	records, err := lookup(ctx, cfg, host)
	if err != nil {
		return nil, err
	}
	if len(records) == 0 { // RFC 6120 §3.2.2
		return bothWays(net.JoinHostPort(host, portStartTLS), cfg.Mode), nil
	}
	var out []candidate
	for _, r := range order(records, rand.IntN) {
		addr := net.JoinHostPort(strings.TrimSuffix(r.Target, "."), strconv.Itoa(int(r.Port)))
		out = append(out, candidate{addr, r.direct})
	}
	return out[:min(len(out), maxCandidates)], nil
}

// configured is the server that the configuration names. Which kind of port it is says the mode, or trying.
func configured(cfg Config) ([]candidate, error) {
	host, port, err := net.SplitHostPort(cfg.Server)
	if err != nil || host == "" || port == "" {
		return nil, fmt.Errorf("c2s: server %q is not of the form host:port", cfg.Server)
	}
	return bothWays(cfg.Server, cfg.Mode), nil
}

// bothWays tries an address with STARTTLS and with direct TLS, unless the mode says which. A server that
// is asked the wrong way says so at once.
func bothWays(addr string, mode Mode) []candidate {
	starttls, direct := candidate{addr, false}, candidate{addr, true}
	_, port, _ := net.SplitHostPort(addr) // callers have checked or made it
	switch {
	case mode == StartTLS:
		return []candidate{starttls}
	case mode == DirectTLS:
		return []candidate{direct}
	case port == portDirect, port == portHTTPS:
		return []candidate{direct, starttls}
	case port == portStartTLS:
		return []candidate{starttls}
	}
	return []candidate{starttls, direct}
}

// record is an SRV record of either service.
type record struct {
	*net.SRV
	direct bool
}

// lookup asks for the records that the mode wants. None is not an error; that the service is not there (a target
// of ".", RFC 2782) is.
func lookup(ctx context.Context, cfg Config, host string) ([]record, error) {
	ctx, cancel := context.WithTimeout(ctx, cfg.StepTimeout)
	defer cancel()
	var out []record
	var refused bool
	for _, service := range []struct {
		name   string
		direct bool
		unless Mode
	}{{"xmpps-client", true, StartTLS}, {"xmpp-client", false, DirectTLS}} {
		if cfg.Mode == service.unless {
			continue
		}
		_, found, err := cfg.Resolver.LookupSRV(ctx, service.name, "tcp", host)
		var dns *net.DNSError
		if err != nil && !(errors.As(err, &dns) && dns.IsNotFound) {
			cfg.Log.Warn("looking up the server failed; trying without", "record", "_"+service.name+"._tcp."+host, "err", err)
			continue
		}
		for _, r := range found {
			if r.Target == "." || r.Target == "" {
				refused = true
				continue
			}
			out = append(out, record{r, service.direct})
		}
	}
	if len(out) == 0 && refused {
		return nil, fmt.Errorf("c2s: the DNS of %s says that it has no XMPP service: check the account's domain", host)
	}
	return out, nil
}

// order sorts records as RFC 2782 says: by priority, and within one by chance in proportion to weight. Both services
// count as one set (XEP-0368 §5).
func order(records []record, intN func(int) int) []record {
	left := slices.Clone(records)
	slices.SortStableFunc(left, func(a, b record) int {
		// Weight 0 first, so that it has its small chance.
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(min(a.Weight, 1), min(b.Weight, 1)))
	})
	out := make([]record, 0, len(left))
	for len(left) > 0 {
		same := 1
		for same < len(left) && left[same].Priority == left[0].Priority {
			same++
		}
		i := pick(left[:same], intN)
		out = append(out, left[i])
		left = slices.Delete(left, i, i+1)
	}
	return out
}

// pick chooses among records of one priority.
func pick(same []record, intN func(int) int) int {
	sum := 0
	for _, r := range same {
		sum += int(r.Weight)
	}
	at := intN(sum + 1)
	for i, r := range same {
		if at -= int(r.Weight); at <= 0 {
			return i
		}
	}
	return len(same) - 1
}
