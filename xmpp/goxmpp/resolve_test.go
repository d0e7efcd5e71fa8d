package goxmpp

import (
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"

	"xtls-agent/xmpp/internal/account"
)

func direct(addr string) account.Candidate   { return account.Candidate{Addr: addr, Direct: true} }
func starttls(addr string) account.Candidate { return account.Candidate{Addr: addr} }

func TestCandidates(t *testing.T) {
	both := records{
		"_xmpp-client._tcp.home.test":  {{Target: "a.test.", Port: 5222, Priority: 10}, {Target: "c.test.", Port: 5222, Priority: 30}},
		"_xmpps-client._tcp.home.test": {{Target: "b.test.", Port: 443, Priority: 10}, {Target: "d.test.", Port: 5223, Priority: 20}},
	}
	for name, c := range map[string]struct {
		cfg  Config
		want []account.Candidate
	}{
		"ByPriority": {Config{Resolver: both}, []account.Candidate{direct("b.test:443"), starttls("a.test:5222"), direct("d.test:5223"), starttls("c.test:5222")}},
		"DirectOnly": {Config{Resolver: both, Mode: DirectTLS}, []account.Candidate{direct("b.test:443"), direct("d.test:5223")}},
		"StartOnly":  {Config{Resolver: both, Mode: StartTLS}, []account.Candidate{starttls("a.test:5222"), starttls("c.test:5222")}},
		"NotHere": {Config{Resolver: records{"_xmpps-client._tcp.home.test": {{Target: "."}},
			"_xmpp-client._tcp.home.test": {{Target: "a.test.", Port: 1}}}}, []account.Candidate{starttls("a.test:1")}},
		"NoRecords":       {Config{Resolver: records{}}, []account.Candidate{starttls("home.test:5222")}},
		"NoRecordsDirect": {Config{Resolver: records{}, Mode: DirectTLS}, []account.Candidate{direct("home.test:5223")}},
		"Server":          {Config{Server: "x.test:1234"}, []account.Candidate{starttls("x.test:1234"), direct("x.test:1234")}},
		"ServerDirect":    {Config{Server: "x.test:5223"}, []account.Candidate{direct("x.test:5223"), starttls("x.test:5223")}},
		"ServerMode":      {Config{Server: "x.test:1234", Mode: DirectTLS}, []account.Candidate{direct("x.test:1234")}},
		"ServerNoPort":    {Config{Server: "x.test", Mode: StartTLS}, []account.Candidate{starttls("x.test:5222")}},
		"ServerIPv6":      {Config{Server: "[::1]", Mode: StartTLS}, []account.Candidate{starttls("[::1]:5222")}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.cfg.withDefaults().candidates(t.Context(), "home.test")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

var _ Resolver = (*net.Resolver)(nil)
