package lan

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// place is a network interface and our addresses on it.
type place struct {
	iface    net.Interface
	prefixes []netip.Prefix
}

func (p place) addrs() []netip.Addr {
	out := make([]netip.Addr, len(p.prefixes))
	for i, prefix := range p.prefixes {
		out[i] = prefix.Addr()
	}
	return out
}

// source returns an address of the kind to send from, or nil. The system's own choice may be of another interface,
// or none at all, and receivers look whether the sender is of their network.
func (p place) source(kind func(netip.Addr) bool) net.IP {
	for _, prefix := range p.prefixes {
		if kind(prefix.Addr()) {
			return prefix.Addr().AsSlice()
		}
	}
	return nil
}

func samePlaces(a, b []place) bool {
	return slices.EqualFunc(a, b, func(x, y place) bool {
		return x.iface.Index == y.iface.Index && slices.Equal(x.prefixes, y.prefixes)
	})
}

// findPlaces returns the interfaces that can multicast, of those named, or all but the loopback. Of the addresses only
// counts, if it is one.
func findPlaces(names []string, only netip.Addr) ([]place, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("lan: listing network interfaces: %w", err)
	}
	var out []place
	for _, iface := range all {
		const needed = net.FlagUp | net.FlagMulticast
		chosen := slices.Contains(names, iface.Name) || len(names) == 0 && iface.Flags&(net.FlagLoopback|net.FlagPointToPoint) == 0
		if !chosen || iface.Flags&needed != needed {
			continue
		}
		if prefixes := prefixesOf(iface, only); len(prefixes) > 0 {
			out = append(out, place{iface, prefixes})
		}
	}
	return out, nil
}

func prefixesOf(iface net.Interface, only netip.Addr) []netip.Prefix {
	addrs, err := iface.Addrs()
	if err != nil {
		return nil // it went away this moment
	}
	var out []netip.Prefix
	for _, a := range addrs {
		prefix, err := netip.ParsePrefix(a.String())
		if err == nil && (only.IsUnspecified() || only.WithZone("") == prefix.Addr()) {
			out = append(out, prefix)
		}
	}
	return out
}

const mdnsPort = 5353

// The groups of multicast DNS (RFC 6762 §3).
var (
	group4 = &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: mdnsPort}
	group6 = &net.UDPAddr{IP: net.ParseIP("ff02::fb"), Port: mdnsPort}
)

// packet is a message and where it came from.
type packet struct {
	msg    *dns.Msg
	from   netip.AddrPort
	iface  int
	socket *socket
}

// socket is the responder's socket of one address family.
type socket struct {
	group *net.UDPAddr
	join  func(net.Interface) error // once more is no error
	write func([]byte, place, net.Addr) error
	next  func([]byte) (n, iface int, from net.Addr, err error)
	close func() error
}

// openSockets opens port 5353, which all responders of a machine share. One family is enough.
func openSockets(log *slog.Logger) ([]*socket, error) {
	var out []*socket
	var failed error
	for _, open := range []func() (*socket, error){openSocket4, openSocket6} {
		s, err := open()
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		out = append(out, s)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("lan: opening multicast DNS: %w", failed)
	}
	if failed != nil {
		log.Debug("multicast DNS works in one address family only", "err", failed)
	}
	return out, nil
}

func openSocket4() (*socket, error) {
	udp, err := net.ListenUDP("udp4", group4)
	if err != nil {
		return nil, err
	}
	c := ipv4.NewPacketConn(udp)
	// TTL: RFC 6762 §11. Loopback: other programs of this machine want to know us too.
	if err := errors.Join(c.SetControlMessage(ipv4.FlagInterface, true), c.SetMulticastTTL(255), c.SetTTL(255), c.SetMulticastLoopback(true)); err != nil {
		_ = udp.Close()
		return nil, err
	}
	joined := make(map[int]bool)
	return &socket{
		group: group4,
		join: func(i net.Interface) error {
			return joinOnce(joined, i, func() error { return c.JoinGroup(&i, &net.UDPAddr{IP: group4.IP}) })
		},
		write: func(b []byte, at place, to net.Addr) error {
			_ = udp.SetWriteDeadline(time.Now().Add(time.Second))
			_, err := c.WriteTo(b, &ipv4.ControlMessage{IfIndex: at.iface.Index, Src: at.source(netip.Addr.Is4)}, to)
			return err
		},
		next: func(b []byte) (int, int, net.Addr, error) {
			n, cm, from, err := c.ReadFrom(b)
			if cm == nil {
				cm = new(ipv4.ControlMessage)
			}
			return n, cm.IfIndex, from, err
		},
		close: udp.Close,
	}, nil
}

func openSocket6() (*socket, error) {
	udp, err := net.ListenUDP("udp6", group6)
	if err != nil {
		return nil, err
	}
	c := ipv6.NewPacketConn(udp)
	if err := errors.Join(c.SetControlMessage(ipv6.FlagInterface, true), c.SetMulticastHopLimit(255), c.SetHopLimit(255), c.SetMulticastLoopback(true)); err != nil {
		_ = udp.Close()
		return nil, err
	}
	joined := make(map[int]bool)
	return &socket{
		group: group6,
		join: func(i net.Interface) error {
			return joinOnce(joined, i, func() error { return c.JoinGroup(&i, &net.UDPAddr{IP: group6.IP}) })
		},
		write: func(b []byte, at place, to net.Addr) error {
			_ = udp.SetWriteDeadline(time.Now().Add(time.Second))
			_, err := c.WriteTo(b, &ipv6.ControlMessage{IfIndex: at.iface.Index}, to)
			return err
		},
		next: func(b []byte) (int, int, net.Addr, error) {
			n, cm, from, err := c.ReadFrom(b)
			if cm == nil {
				cm = new(ipv6.ControlMessage)
			}
			return n, cm.IfIndex, from, err
		},
		close: udp.Close,
	}, nil
}

func joinOnce(joined map[int]bool, i net.Interface, join func() error) error {
	if joined[i.Index] {
		return nil
	}
	err := join()
	joined[i.Index] = err == nil
	return err
}

// send leaves out what does not fit or cannot be sent: multicast DNS repeats itself.
func (s *socket) send(m *dns.Msg, at place, to net.Addr) {
	if b, err := m.Pack(); err == nil {
		_ = s.write(b, at, to)
	}
}

// maxPacket is the longest message of multicast DNS (RFC 6762 §17).
const maxPacket = 9000

// read hands out messages until the socket is closed.
func (s *socket) read(ctx context.Context, out chan<- packet) {
	buf := make([]byte, maxPacket)
	for ctx.Err() == nil {
		n, iface, from, err := s.next(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			pause(ctx, 100*time.Millisecond) // of one packet; but do not spin
			continue
		}
		udp, ok := from.(*net.UDPAddr)
		msg, err := parseMessage(buf[:n])
		if err != nil || !ok {
			continue
		}
		select {
		case out <- packet{msg, udp.AddrPort(), iface, s}:
		case <-ctx.Done():
		}
	}
}
