package c2s

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp/internal/account"
)

// fakeDNS answers SRV queries from a table; what is not in it is not found.
type fakeDNS map[string][]*net.SRV

func (d fakeDNS) LookupSRV(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
	query := "_" + service + "._" + proto + "." + name
	if d == nil {
		return "", nil, &net.DNSError{Err: "server misbehaving", Name: query, IsTemporary: true}
	}
	if records, ok := d[query]; ok {
		return query, records, nil
	}
	return "", nil, &net.DNSError{Err: "no such host", Name: query, IsNotFound: true}
}

func TestCandidates(t *testing.T) {
	both := fakeDNS{
		"_xmpp-client._tcp.home.test":  {{Target: "a.home.test.", Port: 5222, Priority: 10}, {Target: "b.home.test.", Port: 5222, Priority: 30}},
		"_xmpps-client._tcp.home.test": {{Target: "c.home.test.", Port: 443, Priority: 20}},
	}
	for _, c := range []struct {
		name, server string
		mode         Mode
		dns          fakeDNS
		want         string
	}{
		{"direct TLS first", "", Auto, both, "c.home.test:443/direct a.home.test:5222 b.home.test:5222"},
		{"direct only", "", DirectTLS, both, "c.home.test:443/direct"},
		{"STARTTLS only", "", StartTLS, both, "a.home.test:5222 b.home.test:5222"},
		{"RFC 6120 §3.2.2: no records", "", Auto, fakeDNS{}, "home.test:5222"},
		{"no records, direct", "", DirectTLS, fakeDNS{}, "home.test:5222/direct"},
		{"DNS fails", "", Auto, nil, "home.test:5222"},
		{"half a service", "", Auto, fakeDNS{"_xmpp-client._tcp.home.test": {{Target: "."}}, "_xmpps-client._tcp.home.test": {{Target: "c.", Port: 1}}}, "c:1/direct"},
		{"no service", "", Auto, fakeDNS{"_xmpp-client._tcp.home.test": {{Target: "."}}}, "error"},
		{"configured", "10.0.0.1:5222", Auto, both, "10.0.0.1:5222"},
		{"configured, direct by port", "[::1]:5223", Auto, both, "[::1]:5223/direct [::1]:5223"},
		{"configured, any port", "x:1234", Auto, both, "x:1234 x:1234/direct"},
		{"configured, told", "x:1234", DirectTLS, both, "x:1234/direct"},
		{"not an address", "x", Auto, both, "error"},
	} {
		cfg, err := Config{
			JID: jid.MustParse("box@home.test"), Password: func() (string, error) { return "", nil },
			Server: c.server, Mode: c.mode, Resolver: c.dns,
		}.withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		if got := list(candidates(t.Context(), cfg)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func list(found []account.Candidate, err error) string {
	if err != nil {
		return "error"
	}
	var out []string
	for _, c := range found {
		if c.Direct {
			c.Addr += "/direct"
		}
		out = append(out, c.Addr)
	}
	return strings.Join(out, " ")
}

// DNS names are ASCII (RFC 5890), and DNS cannot make us try for ever.
func TestCandidatesOfOddDomains(t *testing.T) {
	var many []*net.SRV
	for i := range 100 {
		many = append(many, &net.SRV{Target: fmt.Sprint("h", i, "."), Port: 5222})
	}
	cfg, err := Config{
		JID: jid.MustParse("box@häuschen.test"), Password: func() (string, error) { return "", nil },
		Resolver: fakeDNS{"_xmpp-client._tcp.xn--huschen-5wa.test": many},
	}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := candidates(t.Context(), cfg); err != nil || len(got) != account.MaxCandidates {
		t.Errorf("%d candidates, %v", len(got), err)
	}
}

func TestLookupHeedsItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	cfg := Config{JID: jid.MustParse("box@home.test"), Password: func() (string, error) { return "", nil }, Resolver: ctxDNS{}}
	if _, err := Dial(ctx, cfg); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

type ctxDNS struct{}

func (ctxDNS) LookupSRV(ctx context.Context, _, _, _ string) (string, []*net.SRV, error) {
	<-ctx.Done()
	return "", nil, ctx.Err()
}
