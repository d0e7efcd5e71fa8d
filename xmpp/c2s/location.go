package c2s

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
)

// location is where a server wants to be asked for a stream (XEP-0198 §5, XEP-0397 §5.1). It is a hint: the server there must be the
// account's own, as RFC 6120 §4.9.3.19 has it of <see-other-host/>: the same TLS, the same domain in its certificate, the same "to". And
// nobody is sent by it into a network in which the server that named it is not itself, such as the one behind our router.
type location struct {
	addr  string // host:port; empty: anywhere
	scope scope  // of the server that named it
}

const maxLocation = 300 // a domain name and a port

// errWithin is why a location is not spoken to.
var errWithin = errors.New("a server outside this network has named it, which may not send anybody into it")

// parseLocation reads a host, with or without a port, in the form of RFC 6120 §4.9.3.19, that came from the other end of a connection.
// What is not of that form is none, nor is what may not be reached.
func parseLocation(s string, from net.Addr) location {
	if s == "" || len(s) > maxLocation {
		return location{}
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil { // without a port
		host, port = trimBrackets(s), "5222"
	}
	if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 || host == "" {
		return location{}
	}
	ip, err := netip.ParseAddr(host)
	if err != nil && !isHostName(host) || ip.Zone() != "" {
		return location{}
	}
	l := location{net.JoinHostPort(host, port), scopeOf(from)}
	if err == nil && !l.scope.maySendTo(scopeOfIP(ip)) {
		return location{}
	}
	return l
}

// mayReach reports whether addr may be looked for at the end of a connection: of a name, DNS says where it is.
func (l location) mayReach(addr string, end net.Addr) bool {
	return addr != l.addr || l.scope.maySendTo(scopeOf(end))
}

func trimBrackets(s string) string {
	if len(s) > 2 && s[0] == '[' && s[len(s)-1] == ']' {
		return s[1 : len(s)-1]
	}
	return s
}

// isHostName is about the characters only: DNS says the rest.
func isHostName(s string) bool {
	for _, c := range s {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '.') {
			return false
		}
	}
	return true
}

// scope is the network that an address is of.
type scope int

const (
	nowhere   scope = iota // not the address of a server
	loopback               // this machine
	linkLocal              // this link
	private                // this site, or the provider's (RFC 1918, RFC 4193, RFC 6598)
	public
)

// maySendTo reports whether a server in s may send somebody to one in other.
func (s scope) maySendTo(other scope) bool { return other == public || other == s && s != nowhere }

// shared is what providers put between themselves and many customers (RFC 6598).
var shared = netip.MustParsePrefix("100.64.0.0/10")

func scopeOf(a net.Addr) scope {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return nowhere
	}
	return scopeOfIP(tcp.AddrPort().Addr())
}

func scopeOfIP(ip netip.Addr) scope {
	switch ip = ip.Unmap(); {
	case !ip.IsValid(), ip.IsUnspecified(), ip.IsMulticast(), ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return nowhere
	case ip.IsLoopback():
		return loopback
	case ip.IsLinkLocalUnicast():
		return linkLocal
	case ip.IsPrivate(), shared.Contains(ip):
		return private
	}
	return public
}
