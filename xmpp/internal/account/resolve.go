package account

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

// Candidate is a place where the server may be.
type Candidate struct {
	Addr   string // host:port
	Direct bool   // TLS from the first byte, else STARTTLS
}

// MaxCandidates bounds what DNS can make us try.
const MaxCandidates = 8

// The ports of clients.
const (
	PortStartTLS = "5222"
	PortDirect   = "5223"
	portHTTPS    = "443" // where direct TLS hides from firewalls
)

// Lookup returns where the SRV records of a domain, in ASCII, say that its server is, in the order to try. The mode says which
// records are asked for. None is not an error; that the service is not there (a target of ".", RFC 2782) is. failed is
// told of a lookup that did not come through; what was found all the same counts.
func Lookup(ctx context.Context, resolver Resolver, mode Mode, host string, failed func(record string, err error)) ([]Candidate, error) {
	var found []record
	var refused bool
	for _, service := range []struct {
		name   string
		direct bool
		unless Mode
	}{{"xmpps-client", true, StartTLS}, {"xmpp-client", false, DirectTLS}} {
		if mode == service.unless {
			continue
		}
		_, answer, err := resolver.LookupSRV(ctx, service.name, "tcp", host)
		var dns *net.DNSError
		if err != nil && !(errors.As(err, &dns) && dns.IsNotFound) {
			failed("_"+service.name+"._tcp."+host, err)
		}
		for _, r := range answer {
			if r.Target == "." || r.Target == "" {
				refused = true
				continue
			}
			found = append(found, record{r, service.direct})
		}
	}
	if len(found) == 0 && refused {
		return nil, fmt.Errorf("the DNS of %s says that it has no XMPP service: check the account's domain", host)
	}
	var out []Candidate
	for _, r := range order(found, rand.IntN) {
		addr := net.JoinHostPort(strings.TrimSuffix(r.Target, "."), strconv.Itoa(int(r.Port)))
		out = append(out, Candidate{addr, r.direct})
	}
	return out[:min(len(out), MaxCandidates)], nil
}

// BothWays tries an address with STARTTLS and with direct TLS, the one first that its port suggests, unless the mode says
// which. A server that is asked the wrong way says so at once.
func BothWays(addr string, mode Mode) []Candidate {
	starttls, direct := Candidate{addr, false}, Candidate{addr, true}
	_, port, _ := net.SplitHostPort(addr) // callers have checked or made it
	switch {
	case mode == StartTLS:
		return []Candidate{starttls}
	case mode == DirectTLS:
		return []Candidate{direct}
	case port == PortDirect, port == portHTTPS:
		return []Candidate{direct, starttls}
	}
	return []Candidate{starttls, direct}
}

// record is an SRV record of either service.
type record struct {
	*net.SRV
	direct bool
}

// order sorts records as RFC 2782 says: by priority, and within one by chance in proportion to weight. Both services
// count as one set (XEP-0368 §3).
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
