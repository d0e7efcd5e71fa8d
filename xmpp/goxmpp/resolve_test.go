package goxmpp

import (
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCandidates(t *testing.T) {
	both := records{
		"_xmpp-client._tcp.home.test":  {{Target: "a.test.", Port: 5222, Priority: 10}, {Target: "c.test.", Port: 5222, Priority: 30}},
		"_xmpps-client._tcp.home.test": {{Target: "b.test.", Port: 443, Priority: 10}, {Target: "d.test.", Port: 5223, Priority: 20}},
	}
	for name, c := range map[string]struct {
		cfg  Config
		want []candidate
	}{
		"ByPriority": {Config{Resolver: both}, []candidate{{"b.test:443", true}, {"a.test:5222", false}, {"d.test:5223", true}, {"c.test:5222", false}}},
		"DirectOnly": {Config{Resolver: both, Mode: DirectTLS}, []candidate{{"b.test:443", true}, {"d.test:5223", true}}},
		"StartOnly":  {Config{Resolver: both, Mode: StartTLS}, []candidate{{"a.test:5222", false}, {"c.test:5222", false}}},
		"NotHere": {Config{Resolver: records{"_xmpps-client._tcp.home.test": {{Target: "."}},
			"_xmpp-client._tcp.home.test": {{Target: "a.test.", Port: 1}}}}, []candidate{{"a.test:1", false}}},
		"NoRecords":       {Config{Resolver: records{}}, []candidate{{"home.test:5222", false}}},
		"NoRecordsDirect": {Config{Resolver: records{}, Mode: DirectTLS}, []candidate{{"home.test:5223", true}}},
		"Server":          {Config{Server: "x.test:1234"}, []candidate{{"x.test:1234", false}, {"x.test:1234", true}}},
		"ServerDirect":    {Config{Server: "x.test:5223"}, []candidate{{"x.test:5223", true}, {"x.test:5223", false}}},
		"ServerMode":      {Config{Server: "x.test:1234", Mode: DirectTLS}, []candidate{{"x.test:1234", true}}},
		"ServerNoPort":    {Config{Server: "x.test", Mode: StartTLS}, []candidate{{"x.test:5222", false}}},
		"ServerIPv6":      {Config{Server: "[::1]", Mode: StartTLS}, []candidate{{"[::1]:5222", false}}},
	} {
		t.Run(name, func(t *testing.T) {
			got := c.cfg.withDefaults().candidates(t.Context(), "home.test")
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(candidate{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

var _ Resolver = (*net.Resolver)(nil)
