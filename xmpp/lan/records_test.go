package lan

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func question(name string, typ uint16) *dns.Msg {
	m := new(dns.Msg)
	m.Id = 77
	m.Question = []dns.Question{{Name: name, Qtype: typ, Qclass: dns.ClassINET}}
	return m
}

func types(list []dns.RR) (out []uint16) {
	for _, rr := range list {
		out = append(out, rr.Header().Rrtype)
	}
	return out
}

func TestReply(t *testing.T) {
	s := testService(t, `living-room\20box@box`)
	for _, c := range []struct {
		name          string
		typ           uint16
		answer, extra []uint16
	}{
		{serviceName, dns.TypePTR, []uint16{dns.TypePTR}, []uint16{dns.TypeSRV, dns.TypeTXT, dns.TypeA, dns.TypeAAAA}},
		{"_Presence._TCP.local.", dns.TypePTR, []uint16{dns.TypePTR}, []uint16{dns.TypeSRV, dns.TypeTXT, dns.TypeA, dns.TypeAAAA}},
		{servicesName, dns.TypePTR, []uint16{dns.TypePTR}, nil},
		{s.instance, dns.TypeSRV, []uint16{dns.TypeSRV}, []uint16{dns.TypeA, dns.TypeAAAA}},
		{s.instance, dns.TypeTXT, []uint16{dns.TypeTXT}, nil},
		{s.instance, dns.TypeANY, []uint16{dns.TypeSRV, dns.TypeTXT}, []uint16{dns.TypeA, dns.TypeAAAA}},
		{s.host, dns.TypeA, []uint16{dns.TypeA}, nil},
		{s.host, dns.TypeAAAA, []uint16{dns.TypeAAAA}, nil},
		{serviceName, dns.TypeSRV, nil, nil},
		{"_http._tcp.local.", dns.TypePTR, nil, nil},
	} {
		m, unicast := s.reply(wire(t, question(c.name, c.typ)), testAddrs, false)
		if m == nil {
			m = new(dns.Msg)
		}
		if !slices.Equal(types(m.Answer), c.answer) || !slices.Equal(types(m.Extra), c.extra) || unicast {
			t.Errorf("%s %s: %v", c.name, dns.TypeToString[c.typ], m)
		}
		for _, rr := range slices.Concat(m.Answer, m.Extra) { // RFC 6762 §10.2
			if unique := rr.Header().Class&flag != 0; unique != (rr.Header().Rrtype != dns.TypePTR) {
				t.Errorf("cache-flush bit of %v", rr)
			}
		}
	}
}

// RFC 6762 §6.7: a resolver that knows nothing of multicast gets an answer like any DNS server's.
func TestLegacyReply(t *testing.T) {
	s := testService(t, "box@box")
	m, unicast := s.reply(question(serviceName, dns.TypePTR), testAddrs, true)
	if !unicast || m.Id != 77 || len(m.Question) != 1 {
		t.Errorf("%v", m)
	}
	for _, rr := range slices.Concat(m.Answer, m.Extra) {
		if rr.Header().Class != dns.ClassINET || rr.Header().Ttl > ttlLegacy {
			t.Errorf("%v", rr)
		}
	}
}

func TestReplySuppression(t *testing.T) {
	s := testService(t, "box@box")
	q := question(serviceName, dns.TypePTR)
	q.Answer = []dns.RR{s.ptr()}
	if m, _ := s.reply(q, testAddrs, false); m != nil { // RFC 6762 §7.1
		t.Errorf("a known answer was given again: %v", m)
	}
	q.Answer[0].Header().Ttl = ttlOther/2 - 1
	if m, _ := s.reply(q, testAddrs, false); m == nil {
		t.Error("an answer that grows old was not given")
	}
	q = question(serviceName, dns.TypePTR)
	q.Question[0].Qclass |= flag // RFC 6762 §5.4
	if m, unicast := s.reply(q, testAddrs, false); m == nil || !unicast {
		t.Error("a unicast question was answered by multicast")
	}
	q.Response = true
	if m, _ := s.reply(q, testAddrs, false); m != nil {
		t.Error("a response was answered")
	}
}

func TestConflicts(t *testing.T) {
	s := testService(t, "box@box")
	other := s
	other.host = "xtls-other.local."
	if s.conflicts(s.announcement(testAddrs)) {
		t.Error("with itself")
	}
	if !s.conflicts(wire(t, other.announcement(testAddrs))) {
		t.Error("another of the name is none")
	}
	if s.conflicts(wire(t, other.goodbye(testAddrs))) {
		t.Error("another that leaves is one")
	}
	if s.conflicts(wire(t, other.probe())) {
		t.Error("a question is one") // it is answered, and then gives way
	}
}

// RFC 6762 §11: who is not of this network gets no answer, however the packet came here.
func TestOnLink(t *testing.T) {
	ours := []netip.Prefix{netip.MustParsePrefix("192.0.2.7/24"), netip.MustParsePrefix("2001:db8::7/64")}
	for addr, want := range map[string]bool{
		"192.0.2.99": true, "::ffff:192.0.2.99": true, "2001:db8::1": true, "fe80::1%eth0": true, "169.254.3.4": true,
		"192.0.3.1": false, "198.51.100.1": false, "2001:db8:1::1": false,
	} {
		if got := onLink(netip.MustParseAddr(addr), ours); got != want {
			t.Errorf("%s: %v", addr, got)
		}
	}
}

// A flood of questions makes no flood of answers, and strangers get none at all.
func TestReplyRate(t *testing.T) {
	sent := make(map[string]int)
	at := place{prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.7/24")}}
	at.iface.Index = 1
	s := &socket{group: group4, write: func(_ []byte, _ place, to net.Addr) error { sent[to.String()]++; return nil }}
	r := &responding{
		announcer: &announcer{service: testService(t, "box@box"), log: slog.New(slog.DiscardHandler)},
		sockets:   []*socket{s}, packets: make(chan packet), places: []place{at}, multicast: make(map[int]time.Time),
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error)
	go func() { served <- r.serve(ctx, time.Minute, true) }()
	for range 300 {
		for _, from := range []string{"192.0.2.8:5353", "192.0.2.9:4000", "198.51.100.1:4000", "198.51.100.1:5353"} {
			r.packets <- packet{question(serviceName, dns.TypePTR), netip.MustParseAddrPort(from), 1, s}
		}
	}
	cancel()
	if err := <-served; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	// Should the machine be slow, a second or two may have passed.
	if n := sent[group4.String()]; n < 1 || n > 5 {
		t.Errorf("multicast %d times", n)
	}
	if n := sent["192.0.2.9:4000"]; n < maxUnicast || n > 5*maxUnicast {
		t.Errorf("answered %d of 300 unicast questions", n)
	}
	if n := sent["198.51.100.1:4000"] + sent["198.51.100.1:5353"]; n > 0 {
		t.Errorf("answered a stranger %d times", n)
	}
}
