package lan

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/miekg/dns"
	"mellium.im/xmpp/jid"
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

// FuzzRecords: where the library's own parser takes a message, ours does, and finds the same records of those kinds that are used.
func FuzzRecords(f *testing.F) {
	s := service{instance: `box\@box._presence._tcp.local.`, host: "xtls-abc.local.", port: 5298, text: Presence{Nick: "x", Status: "away"}.text(5298)}
	withOthers := s.announcement(testAddrs)
	withOthers.Extra = []dns.RR{&dns.NSEC{Hdr: header(s.host, dns.TypeNSEC, 10), NextDomain: s.host, TypeBitMap: []uint16{dns.TypeA}}, s.txt()}
	for _, m := range []*dns.Msg{s.announcement(testAddrs), s.probe(), withOthers, question(serviceName, dns.TypePTR)} {
		for _, compress := range []bool{false, true} {
			m.Compress = compress
			b, err := m.Pack()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var theirs dns.Msg
		if theirs.Unpack(b) != nil || len(theirs.Question) > maxQuestions || len(theirs.Answer) > maxRecords ||
			len(theirs.Ns) > maxRecords || len(theirs.Extra) > maxRecords || len(b) < headerSize || !wholeSections(b, &theirs) {
			return
		}
		ours, err := parseMessage(b)
		if err != nil {
			t.Fatalf("refused, though it reads\n%v", &theirs)
		}
		if ours.Response != theirs.Response || ours.Id != theirs.Id || ours.Opcode != theirs.Opcode || !slices.Equal(ours.Question, theirs.Question) {
			t.Fatalf("%v, not %v", ours, &theirs)
		}
		for i, pair := range [][2][]dns.RR{{ours.Answer, theirs.Answer}, {ours.Ns, theirs.Ns}, {ours.Extra, theirs.Extra}} {
			if got, want := texts(pair[0]), texts(pair[1]); !slices.Equal(got, want) {
				t.Fatalf("section %d: %q, not %q", i, got, want)
			}
		}
	})
}

// wholeSections: the library forgives a message that ends before its records do, or within its last question; ours does not.
func wholeSections(b []byte, m *dns.Msg) bool {
	for _, q := range m.Question {
		if q.Qtype == 0 || q.Qclass == 0 {
			return false
		}
	}
	for i, n := range []int{len(m.Question), len(m.Answer), len(m.Ns), len(m.Extra)} {
		if int(binary.BigEndian.Uint16(b[4+2*i:])) != n {
			return false
		}
	}
	return true
}

// texts returns the records of the kinds that are used.
func texts(records []dns.RR) (out []string) {
	for _, rr := range records {
		switch rr.(type) {
		case *dns.PTR, *dns.SRV, *dns.TXT, *dns.A, *dns.AAAA:
			out = append(out, rr.String())
		}
	}
	return out
}

// FuzzName: whatever a device is called, an address can be made of it or one line says why not; as the name of a service instance it comes
// through the DNS as it was, and so do the strings of its TXT record.
func FuzzName(f *testing.F) {
	for _, s := range [][2]string{{"Living-room box", "pi.local"}, {`a\20b\5c`, "pi"}, {"\x00\u202e", "x"}, {"@", "-"}, {"\u00e4\U0001f511", "\u00e4"}, {" ", "pi"}, {`"&'/:<>@`, "pi"}, {"a.b", ""}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, name, host string) {
		checkTexts(t, name)
		j, err := JID(name, host)
		if err != nil {
			return // it quotes what a person configured, whatever that is
		}
		if again, err := jid.Parse(j.String()); err != nil || !again.Equal(j) {
			t.Fatalf("%q on %q became %v, which is no address: %v", name, host, j, err)
		}
		if again, err := JID(Name(j), j.Domainpart()); err != nil || !again.Equal(j) {
			t.Fatalf("%v is called %q, and that is %v, %v", j, Name(j), again, err)
		}
		instance, err := instanceName(j)
		if err != nil {
			return
		}
		if again, err := instanceJID(instance); err != nil || !again.Equal(j) {
			t.Fatalf("%v is announced as %q, and that is %v, %v", j, instance, again, err)
		}
	})
}

// checkTexts sends a nickname through the DNS.
func checkTexts(t *testing.T, nick string) {
	t.Helper()
	s := service{instance: `box\@box._presence._tcp.local.`, host: "xtls-abc.local.", port: 5298, text: Presence{Nick: nick}.text(5298)}
	b, err := (&dns.Msg{MsgHdr: dns.MsgHdr{Response: true}, Answer: []dns.RR{s.txt()}}).Pack()
	if err != nil {
		t.Fatalf("nickname %q: %v", nick, err)
	}
	m, err := parseMessage(b)
	if err != nil {
		t.Fatal(err)
	}
	got := parseText(m.Answer[0].(*dns.TXT).Txt)
	if want := truncate("nick="+nick, maxText)[len("nick="):]; nick != "" && got["nick"] != want || got["status"] != "avail" {
		t.Fatalf("nickname %q arrived as %q", want, got["nick"])
	}
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
