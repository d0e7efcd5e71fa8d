package lan

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/miekg/dns"
	"mellium.im/xmpp/jid"
)

// Names of DNS-based service discovery (XEP-0174 §3, RFC 6763 §9).
const (
	serviceName  = "_presence._tcp.local."
	servicesName = "_services._dns-sd._udp.local."
)

// Limits of the DNS (RFC 1035 §2.3.4, RFC 6763 §6.1).
const (
	maxLabel = 63
	maxText  = 255
)

// Presence is what a machine announces (XEP-0174 §3.2). Everybody on the network can read it.
type Presence struct {
	Nick            string // for people
	Status          string // "avail" (the default), "away" or "dnd"
	Node, Hash, Ver string // entity capabilities (XEP-0115); empty for none

	As         jid.JID  // under which address; zero: the listener's own
	Interfaces []string // network interfaces, by name; empty for all that can
}

// text returns the strings of the TXT record (XEP-0174 §3.2). The first is the version; the port is there for
// clients of before SRV lookups.
func (p Presence) text(port uint16) []string {
	status := p.Status
	if status == "" {
		status = "avail"
	}
	out := []string{"txtvers=1"}
	for _, kv := range [][2]string{
		{"nick", p.Nick}, {"status", status}, {"port.p2pj", strconv.Itoa(int(port))},
		{"node", p.Node}, {"hash", p.Hash}, {"ver", p.Ver},
	} {
		if kv[1] != "" {
			out = append(out, textString(truncate(kv[0]+"="+kv[1], maxText)))
		}
	}
	return out
}

// truncate cuts s to at most n bytes, between characters.
func truncate(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// textString and plainText translate between a TXT string and the zone file form in which the DNS library has it.
func textString(s string) string { return strings.ReplaceAll(s, `\`, `\\`) }

func plainText(s string) string { return unescape(s) }

// instanceName returns the name of a JID's service instance, as the DNS library spells it. The JID is one
// label, whatever dots are in it (RFC 6763 §4.3).
func instanceName(j jid.JID) (string, error) {
	text := j.Bare().String()
	if len(text) > maxLabel {
		return "", fmt.Errorf("lan: %s is too long to be announced: choose a name of at most %d letters in all", text, maxLabel)
	}
	var label strings.Builder
	for _, c := range []byte(text) {
		fmt.Fprintf(&label, `\%03d`, c)
	}
	return canonical(label.String() + "." + serviceName)
}

// canonical returns a name in the one spelling in which the library hands out names from the network, in small letters.
func canonical(name string) (string, error) {
	var buf [256]byte
	n, err := dns.PackDomainName(name, buf[:], 0, nil, false)
	if err != nil {
		return "", fmt.Errorf("lan: name %.100q: %w", name, err)
	}
	out, _, err := dns.UnpackDomainName(buf[:n], 0)
	if err != nil {
		return "", fmt.Errorf("lan: name %.100q: %w", name, err)
	}
	return lower(out), nil
}

// lower lowers ASCII letters alone, as names of the DNS compare (RFC 6762 §16).
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + ('a' - 'A')
		}
		return r
	}, s)
}

// instanceJID returns the JID of a service instance.
func instanceJID(name string) (jid.JID, error) {
	labels := dns.SplitDomainName(name)
	if len(labels) != 4 || lower(strings.Join(labels[1:], ".")+".") != serviceName {
		return jid.JID{}, fmt.Errorf("lan: %.100q is no instance of %s", name, serviceName)
	}
	j, err := jid.Parse(unescape(labels[0]))
	if err != nil {
		return jid.JID{}, fmt.Errorf("lan: instance %.100q: %w", name, err)
	}
	return j.Bare(), nil
}

// unescape undoes the escapes of zone files, \DDD and \X (RFC 1035 §5.1).
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			out = append(out, s[i])
			continue
		}
		if i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 10, 8); err == nil {
				out = append(out, byte(n))
				i += 3
				continue
			}
		}
		i++
		out = append(out, s[i])
	}
	return string(out)
}
