package account

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
)

// zone answers SRV queries by service; what is not in it has no records.
type zone map[string]struct {
	records []*net.SRV
	err     error
}

func (z zone) LookupSRV(_ context.Context, service, _, _ string) (string, []*net.SRV, error) {
	return "", z[service].records, z[service].err
}

var errServer = errors.New("server misbehaving")

func TestLookup(t *testing.T) {
	var many []*net.SRV
	for i := range 100 {
		many = append(many, &net.SRV{Target: fmt.Sprint("h", i, "."), Port: 5222})
	}
	notFound := &net.DNSError{Err: "no such host", IsNotFound: true}
	none, one := []*net.SRV{{Target: "."}}, []*net.SRV{{Target: "a.", Port: 1}}
	for name, c := range map[string]struct {
		zone   zone
		found  int
		failed int
		err    bool
	}{
		"nothing":                         {zone{"xmpp-client": {err: notFound}, "xmpps-client": {err: notFound}}, 0, 0, false},
		"DNS fails":                       {zone{"xmpp-client": {err: errServer}, "xmpps-client": {err: errServer}}, 0, 2, false},
		"DNS fails for one":               {zone{"xmpp-client": {one, nil}, "xmpps-client": {err: errServer}}, 1, 1, false},
		"a malformed record":              {zone{"xmpp-client": {one, errServer}}, 1, 1, false}, // net.Resolver gives the rest beside the error
		"RFC 2782: not here":              {zone{"xmpp-client": {none, nil}}, 0, 0, true},
		"RFC 2782: one is not here":       {zone{"xmpp-client": {none, nil}, "xmpps-client": {one, nil}}, 1, 0, false},
		"DNS cannot make us try for ever": {zone{"xmpp-client": {many, nil}}, 8, 0, false},
	} {
		failed := 0
		found, err := Lookup(t.Context(), c.zone, Auto, "home.test", func(string, error) { failed++ })
		if len(found) != c.found || failed != c.failed || (err != nil) != c.err {
			t.Errorf("%s: %v, %v, %d lookups failed", name, found, err, failed)
		}
	}
}

// RFC 2782: by priority, then by chance in proportion to weight.
func TestOrder(t *testing.T) {
	records := []record{
		{&net.SRV{Target: "late", Priority: 2, Weight: 1000}, false},
		{&net.SRV{Target: "heavy", Priority: 1, Weight: 3}, false},
		{&net.SRV{Target: "light", Priority: 1, Weight: 1}, true},
		{&net.SRV{Target: "none", Priority: 1, Weight: 0}, true},
	}
	first := make(map[string]int)
	for i := range 5 { // every outcome of the first draw, 0 to the sum of the weights
		draws := 0
		got := order(records, func(n int) int {
			if draws++; draws == 1 && n != 5 {
				t.Errorf("the first draw is of %d", n)
			}
			if draws == 1 {
				return i
			}
			return 0
		})
		if len(got) != 4 || got[3].Target != "late" {
			t.Fatalf("%v", got)
		}
		first[got[0].Target]++
	}
	if first["heavy"] != 3 || first["light"] != 1 || first["none"] != 1 {
		t.Errorf("first of five: %v", first)
	}
	if records[0].Target != "late" {
		t.Error("order changed what it was given")
	}
}
