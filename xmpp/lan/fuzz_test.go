package lan

import (
	"testing"

	"github.com/miekg/dns"
)

// FuzzMessage holds all that is done with bytes from the network to not failing, and to its bounds.
func FuzzMessage(f *testing.F) {
	s := service{instance: `box\@box._presence._tcp.local.`, host: "xtls-abc.local.", port: 5298, text: Presence{Nick: "x"}.text(5298)}
	for _, m := range []*dns.Msg{s.announcement(testAddrs), s.goodbye(testAddrs), s.probe(), question(serviceName, dns.TypePTR), question(s.host, dns.TypeA)} {
		b, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseMessage(b)
		if err != nil {
			return
		}
		s.conflicts(m)
		for _, legacy := range []bool{false, true} {
			if r, _ := s.reply(m, testAddrs, legacy); r != nil {
				if _, err := r.Pack(); err != nil {
					t.Errorf("a reply cannot be sent: %v", err)
				}
			}
		}
		c := newCache()
		for _, found := range c.learn(heard{m, "eth0"}) {
			if len(found.Addrs) > maxAddrs {
				t.Errorf("%d addresses", len(found.Addrs))
			}
		}
		if len(c.instances) > maxInstances || len(c.questions()) > maxQuestions || len(c.missing()) > maxQuestions {
			t.Error("beyond the limits")
		}
	})
}

func FuzzParseTarget(f *testing.F) {
	for _, s := range []string{"lan:box", "lan:[::1]:80", "fe80::1%eth0", "lan:a:b:c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		addr, err := ParseTarget(s)
		if err != nil {
			return
		}
		if again, err := ParseTarget(Scheme + addr); err != nil || again != addr {
			t.Errorf("%q makes %q, which makes %q, %v", s, addr, again, err)
		}
	})
}

// Every prefix of a message is refused or harmless; an empty NSEC record, which a strict parser refuses, does not hide the others.
func TestParseMessage(t *testing.T) {
	s := testService(t, "box@box")
	m := s.announcement(testAddrs)
	m.Extra = []dns.RR{&dns.NSEC{Hdr: header(s.host, dns.TypeNSEC, 10), NextDomain: s.host}}
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := parseMessage(b); err != nil || len(got.Answer) != 5 || len(got.Extra) != 0 {
		t.Errorf("%v, %v", got, err)
	}
	for n := range b {
		if _, err := parseMessage(b[:n]); err == nil {
			t.Errorf("%d of %d bytes were taken", n, len(b))
		}
	}
}
