package lan

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// What a search remembers at most; more is forgotten at once.
const (
	maxInstances = 64
	maxAddrs     = 8 // of one instance
)

// cache is what a search has heard. It lasts as long as the search, so nothing in it grows old.
type cache struct {
	instances map[string]*instance // by canonical name
}

// instance is one service instance, as far as it is known.
type instance struct {
	found  Found
	host   string // of its SRV record; empty if that is missing
	port   uint16
	text   bool // its TXT record has come
	addrs  []netip.Addr
	asked  int  // how often what is missing was asked for
	change bool // since it was last handed out
}

func newCache() *cache { return &cache{instances: make(map[string]*instance)} }

// questions is what every round asks: who is there, and what is missing of those who are known.
func (c *cache) questions() []dns.Question {
	out := []dns.Question{{Name: serviceName, Qtype: dns.TypePTR, Qclass: dns.ClassINET}}
	for name, i := range c.instances {
		out = append(out, i.questions(name)...)
	}
	return out[:min(len(out), maxQuestions)]
}

// missing is what a responder left out of its answer; each is asked for once, then only in later rounds.
func (c *cache) missing() []dns.Question {
	var out []dns.Question
	for name, i := range c.instances {
		q := i.questions(name)
		if len(q) == 0 || i.asked > 1 || i.asked > 0 && i.host == "" { // first for the records, then for the address
			continue
		}
		i.asked++
		out = append(out, q...)
	}
	return out[:min(len(out), maxQuestions)]
}

func (i *instance) questions(name string) []dns.Question {
	switch {
	case i.host == "" || !i.text:
		return []dns.Question{{Name: name, Qtype: dns.TypeANY, Qclass: dns.ClassINET}}
	case len(i.addrs) == 0:
		return []dns.Question{{Name: i.host, Qtype: dns.TypeA, Qclass: dns.ClassINET}, {Name: i.host, Qtype: dns.TypeAAAA, Qclass: dns.ClassINET}}
	}
	return nil
}

// learn takes in an answer and returns the machines of which it said something new that can be dialled.
func (c *cache) learn(p heard) []Found {
	records := slices.Concat(p.msg.Answer, p.msg.Extra)
	for _, rr := range records {
		if ptr, ok := rr.(*dns.PTR); ok && lower(ptr.Hdr.Name) == serviceName && ptr.Hdr.Ttl > 0 {
			c.add(ptr.Ptr)
		}
	}
	for _, rr := range records {
		if i := c.instances[lower(rr.Header().Name)]; i != nil && rr.Header().Ttl > 0 {
			i.describe(rr)
		}
	}
	for _, rr := range records {
		if addr, ok := address(rr, p.zone); ok && rr.Header().Ttl > 0 {
			c.locate(lower(rr.Header().Name), addr)
		}
	}
	return c.changed()
}

func (c *cache) add(name string) {
	key := lower(name)
	if _, known := c.instances[key]; known || len(c.instances) >= maxInstances {
		return
	}
	if j, err := instanceJID(name); err == nil {
		c.instances[key] = &instance{found: Found{JID: j}}
	}
}

// describe takes in a record of the instance's own name. What came first stays.
func (i *instance) describe(rr dns.RR) {
	switch rr := rr.(type) {
	case *dns.SRV:
		if i.host == "" && rr.Port != 0 {
			i.host, i.port, i.change = lower(rr.Target), rr.Port, true
		}
	case *dns.TXT:
		if !i.text {
			i.text, i.change, i.found.Text = true, true, parseText(rr.Txt)
		}
	}
}

// parseText reads the strings of a TXT record: of a key that comes twice the first counts, letters of either size are one (RFC 6763 §6.4).
func parseText(list []string) map[string]string {
	out := make(map[string]string)
	for _, s := range list[:min(len(list), 32)] {
		key, value, _ := strings.Cut(plainText(s), "=")
		key = lower(key)
		if _, twice := out[key]; key != "" && !twice {
			out[key] = value
		}
	}
	return out
}

// address returns the address in an A or AAAA record that was heard in the zone.
func address(rr dns.RR, zone string) (netip.Addr, bool) {
	var addr netip.Addr
	var ok bool
	switch rr := rr.(type) {
	case *dns.A:
		addr, ok = netip.AddrFromSlice(rr.A)
	case *dns.AAAA:
		addr, ok = netip.AddrFromSlice(rr.AAAA)
	}
	addr = addr.Unmap()
	if !ok || addr.IsUnspecified() || addr.IsMulticast() {
		return netip.Addr{}, false
	}
	if addr.Is6() && addr.IsLinkLocalUnicast() {
		addr = addr.WithZone(zone)
	}
	return addr, true
}

func (c *cache) locate(host string, addr netip.Addr) {
	for _, i := range c.instances {
		if i.host == host && len(i.addrs) < maxAddrs && !slices.Contains(i.addrs, addr) {
			i.addrs, i.change = append(i.addrs, addr), true
		}
	}
}

func (c *cache) changed() []Found {
	var out []Found
	for _, i := range c.instances {
		if !i.change || len(i.addrs) == 0 {
			continue
		}
		i.change = false
		f := i.found
		for _, a := range i.addrs {
			f.Addrs = append(f.Addrs, netip.AddrPortFrom(a, i.port))
		}
		out = append(out, f)
	}
	return out
}
