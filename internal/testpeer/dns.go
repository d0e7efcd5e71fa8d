package testpeer

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// DNS is a name server on loopback that knows what a test tells it, and that everything else does not exist. Servers that are
// to find each other (XMPPOptions.DNS), or clients that are to find a server, ask it.
type DNS struct {
	Addr string // host:port, UDP

	conn net.PacketConn

	mu    sync.Mutex // guards what follows
	srv   map[string][]string
	alike map[string]bool // services whose records are alike
	a     map[string][4]byte
}

// NewDNS starts one that lasts as long as the test.
func NewDNS(t testing.TB) *DNS {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("testpeer: name server: %v", err)
	}
	d := &DNS{
		Addr: conn.LocalAddr().String(), conn: conn,
		srv: make(map[string][]string), alike: make(map[string]bool), a: make(map[string][4]byte),
	}
	var serving sync.WaitGroup
	serving.Go(d.serve)
	t.Cleanup(func() {
		_ = conn.Close()
		serving.Wait()
	})
	return d
}

// SetSRV makes addrs, each a host:port, the answer for a service such as "_xmpp-server._tcp.home.test": the first is to be tried first. The
// host is on loopback, or one within .example.
func (d *DNS) SetSRV(service string, addrs ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.srv[service+"."] = addrs
}

// ShareSRV is SetSRV for hosts of which one is as good as another: who asks is to take each as often.
func (d *DNS) ShareSRV(service string, addrs ...string) {
	d.SetSRV(service, addrs...)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.alike[service+"."] = true
}

// SetA says where a host within .example is, which else is at 127.0.0.1.
func (d *DNS) SetA(host, address string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.a[host+"."] = netip.MustParseAddr(address).As4()
}

// Resolver is one that asks d.
func (d *DNS) Resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp4", d.Addr)
	}}
}

func (d *DNS) serve() {
	buf := make([]byte, 1500)
	for {
		n, from, err := d.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		var query dnsmessage.Message
		if query.Unpack(buf[:n]) != nil || len(query.Questions) != 1 {
			continue
		}
		answer := d.answer(query)
		if packed, err := answer.Pack(); err == nil {
			_, _ = d.conn.WriteTo(packed, from) // who asked will ask again
		}
	}
}

// answer knows the services, and that every host within .example is on loopback.
func (d *DNS) answer(query dnsmessage.Message) dnsmessage.Message {
	q := query.Questions[0]
	out := dnsmessage.Message{Questions: query.Questions}
	out.Header = dnsmessage.Header{ID: query.ID, Response: true, Authoritative: true, RecursionDesired: query.RecursionDesired, RecursionAvailable: true}
	header := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1}
	name := strings.ToLower(q.Name.String())
	d.mu.Lock()
	addrs, known := d.srv[name]
	alike := d.alike[name]
	host, moved := d.a[name]
	d.mu.Unlock()
	if !moved {
		host = [4]byte{127, 0, 0, 1}
	}
	switch {
	case known && q.Type == dnsmessage.TypeSRV:
		for i, addr := range addrs {
			body := service(uint16(i), addr)
			if alike {
				body.Priority, body.Weight = 0, 1
			}
			out.Answers = append(out.Answers, dnsmessage.Resource{Header: header, Body: body})
		}
	case strings.HasSuffix(name, ".example.") && !strings.HasPrefix(name, "_") && q.Type == dnsmessage.TypeA:
		out.Answers = []dnsmessage.Resource{{Header: header, Body: &dnsmessage.AResource{A: host}}}
	case !strings.HasSuffix(name, ".example.") || strings.HasPrefix(name, "_") && !known:
		out.RCode = dnsmessage.RCodeNameError
	}
	return out
}

// service is the record that leads to a host:port.
func service(priority uint16, addr string) *dnsmessage.SRVResource {
	host, port, _ := net.SplitHostPort(addr) // as the test gave it
	number, _ := strconv.ParseUint(port, 10, 16)
	if !strings.HasSuffix(host, ".example") {
		host = "loopback.example"
	}
	return &dnsmessage.SRVResource{Priority: priority, Port: uint16(number), Target: dnsmessage.MustNewName(host + ".")}
}
