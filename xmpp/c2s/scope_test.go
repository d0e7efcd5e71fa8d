package c2s

import (
	"net"
	"testing"
)

// What a server may name depends on where it is itself.
func TestScopes(t *testing.T) {
	ends := map[string]scope{
		"203.0.113.1": public, "2001:db8::1": public, "192.168.0.1": private, "10.0.0.1": private, "172.16.0.1": private, "100.64.0.1": private,
		"fd00::1": private, "::ffff:10.0.0.1": private, "127.0.0.1": loopback, "::1": loopback, "::ffff:127.0.0.2": loopback,
		"169.254.169.254": linkLocal, "fe80::1": linkLocal, "0.0.0.0": nowhere, "::": nowhere, "224.0.0.1": nowhere, "ff02::1": nowhere,
		"255.255.255.255": nowhere,
	}
	for from, a := range ends {
		for to, b := range ends {
			end := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 5222} }
			want := b == public || a == b && a != nowhere
			if got := parseLocation(net.JoinHostPort(to, "5222"), end(from)).addr != ""; got != want {
				t.Errorf("%s may send to %s: %v", from, to, got)
			}
			l := parseLocation("x.test", end(from))
			if got := l.mayReach("x.test:5222", end(to)); got != want {
				t.Errorf("%s may send to a name at %s: %v", from, to, got)
			}
			if !l.mayReach("y.test:5222", end(to)) {
				t.Errorf("%s forbids what it has not named", from)
			}
		}
	}
	if l := parseLocation("[fe80::1%eth0]:5222", &net.TCPAddr{IP: net.ParseIP("fe80::2")}); l.addr != "" {
		t.Errorf("%s is an address of somebody else's interface", l.addr)
	}
}
