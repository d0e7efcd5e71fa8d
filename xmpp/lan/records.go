package lan

import (
	"net/netip"

	"github.com/miekg/dns"
)

// Lifetimes in seconds: RFC 6762 §10; §6.7 of an answer to a resolver that is not of multicast DNS.
const (
	ttlHost   = 120
	ttlOther  = 4500
	ttlLegacy = 10
)

// flag is the top bit of a class: in a question, that a unicast answer is welcome (RFC 6762 §5.4); in
// a record, that it replaces what is cached (§10.2).
const flag = 1 << 15

// service is one announced instance as records.
type service struct {
	instance string // canonical
	host     string // canonical; ours alone, so that it cannot clash with what else runs on this machine
	port     uint16
	text     []string
}

func header(name string, typ uint16, ttl uint32) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: typ, Class: dns.ClassINET, Ttl: ttl}
}

func (s service) ptr() dns.RR {
	return &dns.PTR{Hdr: header(serviceName, dns.TypePTR, ttlOther), Ptr: s.instance}
}

func (s service) srv() dns.RR {
	return &dns.SRV{Hdr: header(s.instance, dns.TypeSRV, ttlHost), Port: s.port, Target: s.host}
}

func (s service) txt() dns.RR {
	return &dns.TXT{Hdr: header(s.instance, dns.TypeTXT, ttlOther), Txt: s.text}
}

func (s service) addresses(addrs []netip.Addr) []dns.RR {
	var out []dns.RR
	for _, a := range addrs {
		if a.Is4() {
			out = append(out, &dns.A{Hdr: header(s.host, dns.TypeA, ttlHost), A: a.AsSlice()})
		} else {
			out = append(out, &dns.AAAA{Hdr: header(s.host, dns.TypeAAAA, ttlHost), AAAA: a.AsSlice()})
		}
	}
	return out
}

// announcement returns all records, unasked (RFC 6762 §8.3).
func (s service) announcement(addrs []netip.Addr) *dns.Msg {
	m := newResponse()
	m.Answer = append([]dns.RR{s.ptr(), s.srv(), s.txt()}, s.addresses(addrs)...)
	markUnique(m)
	return m
}

// goodbye takes the announcement back (RFC 6762 §10.1).
func (s service) goodbye(addrs []netip.Addr) *dns.Msg {
	m := s.announcement(addrs)
	for _, rr := range m.Answer {
		rr.Header().Ttl = 0
	}
	return m
}

// probe asks whether somebody else has the name (RFC 6762 §8.1).
func (s service) probe() *dns.Msg {
	m := new(dns.Msg)
	m.Question = []dns.Question{{Name: s.instance, Qtype: dns.TypeANY, Qclass: dns.ClassINET | flag}}
	m.Ns = []dns.RR{s.srv()}
	return m
}

func newResponse() *dns.Msg {
	m := new(dns.Msg)
	m.Response, m.Authoritative = true, true
	return m
}

// markUnique sets the cache-flush bit on all records but the shared ones (RFC 6762 §10.2).
func markUnique(m *dns.Msg) {
	for _, section := range [][]dns.RR{m.Answer, m.Extra} {
		for _, rr := range section {
			if rr.Header().Rrtype != dns.TypePTR {
				rr.Header().Class |= flag
			}
		}
	}
}

// conflicts reports whether somebody else claims the name (RFC 6762 §9).
func (s service) conflicts(m *dns.Msg) bool {
	if !m.Response {
		return false
	}
	for _, section := range [][]dns.RR{m.Answer, m.Extra} {
		for _, rr := range section {
			srv, ok := rr.(*dns.SRV)
			if ok && lower(srv.Hdr.Name) == s.instance && srv.Hdr.Ttl > 0 && lower(srv.Target) != s.host {
				return true
			}
		}
	}
	return false
}

// maxQuestions is how many questions of one message are looked at.
const maxQuestions = 32

// reply answers a query, or returns nil where there is nothing to say. A legacy query comes from a resolver that knows
// nothing of multicast (RFC 6762 §6.7). Unicast says that the asker wants it to himself (§5.4).
func (s service) reply(q *dns.Msg, addrs []netip.Addr, legacy bool) (m *dns.Msg, unicast bool) {
	if q.Response || q.Opcode != dns.OpcodeQuery || len(q.Question) > maxQuestions {
		return nil, false
	}
	m, unicast = newResponse(), true
	for _, question := range q.Question {
		answer, extra := s.answer(question, addrs)
		answer = unknown(answer, q.Answer)
		if len(answer) == 0 {
			continue
		}
		m.Answer = append(m.Answer, answer...)
		m.Extra = append(m.Extra, extra...)
		unicast = unicast && question.Qclass&flag != 0
	}
	if len(m.Answer) == 0 {
		return nil, false
	}
	m.Answer = dns.Dedup(m.Answer, nil)
	m.Extra = unknown(dns.Dedup(m.Extra, nil), m.Answer)
	if !legacy {
		markUnique(m)
		return m, unicast
	}
	m.Id, m.Question = q.Id, q.Question
	for _, rr := range append(m.Answer[:len(m.Answer):len(m.Answer)], m.Extra...) {
		rr.Header().Ttl = min(rr.Header().Ttl, ttlLegacy)
	}
	return m, true
}

// answer returns the records that answer a question, and those that will be asked for next (RFC 6763 §12).
func (s service) answer(q dns.Question, addrs []netip.Addr) (answer, extra []dns.RR) {
	wants := func(typ uint16) bool { return q.Qtype == typ || q.Qtype == dns.TypeANY }
	switch lower(q.Name) {
	case serviceName:
		if wants(dns.TypePTR) {
			return []dns.RR{s.ptr()}, append([]dns.RR{s.srv(), s.txt()}, s.addresses(addrs)...)
		}
	case servicesName:
		if wants(dns.TypePTR) {
			return []dns.RR{&dns.PTR{Hdr: header(servicesName, dns.TypePTR, ttlOther), Ptr: serviceName}}, nil
		}
	case s.instance:
		if wants(dns.TypeSRV) {
			answer, extra = append(answer, s.srv()), s.addresses(addrs)
		}
		if wants(dns.TypeTXT) {
			answer = append(answer, s.txt())
		}
	case s.host:
		for _, rr := range s.addresses(addrs) {
			if wants(rr.Header().Rrtype) {
				answer = append(answer, rr)
			}
		}
	}
	return answer, extra
}

// unknown leaves out what the asker knows for at least half its time (RFC 6762 §7.1).
func unknown(records, known []dns.RR) []dns.RR {
	var out []dns.RR
	for _, rr := range records {
		if !knows(known, rr) {
			out = append(out, rr)
		}
	}
	return out
}

func knows(known []dns.RR, rr dns.RR) bool {
	for _, k := range known {
		if dns.IsDuplicate(k, rr) && k.Header().Ttl >= rr.Header().Ttl/2 {
			return true
		}
	}
	return false
}
