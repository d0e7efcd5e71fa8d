package account

import (
	"context"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"xtls-agent/internal/fuzztest"
)

// answers is a resolver that says what the fuzzer wants, a record each six bytes and a name.
type answers []*net.SRV

func (a answers) LookupSRV(_ context.Context, service, _, _ string) (string, []*net.SRV, error) {
	if service == "xmpps-client" {
		return "", a[:len(a)/2], nil
	}
	return "", a[len(a)/2:], nil
}

// FuzzLookup: of whatever records the DNS holds, few are tried, each is one of them, and a lower priority number comes first.
func FuzzLookup(f *testing.F) {
	f.Add("xmpp.home.example.\nbackup.home.example.", []byte{0, 5, 0, 10, 20, 102, 0, 1, 0, 0, 20, 103})
	f.Add(".", []byte{0, 0, 0, 0, 0, 0})
	f.Add("a\n\n.\nb:c\n[::1]\n"+strings.Repeat("x\n", 20), []byte{1})
	f.Fuzz(func(t *testing.T, names string, numbers []byte) {
		var records answers
		for i, name := range strings.Split(names, "\n") {
			at := func(k int) uint16 {
				if len(numbers) == 0 {
					return 0
				}
				return uint16(numbers[(6*i+k)%len(numbers)])<<8 | uint16(numbers[(6*i+k+1)%len(numbers)])
			}
			records = append(records, &net.SRV{Target: name, Priority: at(0), Weight: at(2), Port: at(4)})
		}
		found, err := Lookup(t.Context(), records, Auto, "home.example", func(string, error) { t.Error("a lookup failed") })
		if fuzztest.Line(t, err) && len(found) > 0 || len(found) > MaxCandidates {
			t.Fatalf("%v, %v", found, err)
		}
		last := uint16(0)
		for _, c := range found {
			i := slices.IndexFunc(records, func(r *net.SRV) bool {
				return net.JoinHostPort(strings.TrimSuffix(r.Target, "."), strconv.Itoa(int(r.Port))) == c.Addr && r.Priority >= last
			})
			if i < 0 || strings.HasPrefix(c.Addr, ":") {
				t.Fatalf("%v is out of nowhere or out of order: %v", c, found)
			}
			last = min(lowest(records, c.Addr, last), records[i].Priority)
		}
	})
}

// lowest is the lowest priority, not below least, of a record with this address.
func lowest(records answers, addr string, least uint16) uint16 {
	out := uint16(1<<16 - 1)
	for _, r := range records {
		if net.JoinHostPort(strings.TrimSuffix(r.Target, "."), strconv.Itoa(int(r.Port))) == addr && r.Priority >= least {
			out = min(out, r.Priority)
		}
	}
	return out
}

// FuzzPrepare: a password that is prepared is one already; ASCII stays as it is; nothing that SASLprep maps away is left.
func FuzzPrepare(f *testing.F) {
	for _, s := range []string{"hunter22", "I\u00adX", "\u2168", "a\u00a0b\u3000c", "\ufeff\u200b", "\xff", "e\u0301"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, password string) {
		got := Prepare(password)
		if again := Prepare(got); again != got && !strings.ContainsFunc(got, func(r rune) bool { return unicode.Is(mappedToNothing, r) }) {
			t.Fatalf("%q becomes %q, and that %q", password, got, again)
		}
		ascii := !strings.ContainsFunc(password, func(r rune) bool { return r >= 0x80 })
		if ascii && got != password {
			t.Fatalf("%q becomes %q", password, got)
		}
	})
}
