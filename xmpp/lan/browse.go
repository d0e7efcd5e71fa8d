package lan

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
)

// Found is a machine that announces itself. All of it is what somebody on the network says.
type Found struct {
	JID   jid.JID
	Addrs []netip.AddrPort // where to dial; those of IPv6 that need a zone have it
	Text  map[string]string
}

// Browser looks for machines by one-shot multicast DNS queries (RFC 6762 §5.1): these need no port that
// others may have, and no membership in a group, so they work for any user on any system.
type Browser struct {
	Interfaces []string // network interfaces, by name; empty for all that can
}

// The times at which questions are asked, and the interval from then on (RFC 6762 §5.2).
var askWaits = []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second}

// Browse calls found for each machine as it turns up, and again when more is known of it, until ctx ends.
// It fails only where no question can be asked.
func (b Browser) Browse(ctx context.Context, found func(Found)) error {
	return b.browse(ctx, func(f Found) bool {
		found(f)
		return false
	})
}

// Resolve returns where the machine with the JID is. One that does not answer before ctx ends is an *[xmpp.UnreachableError].
func (b Browser) Resolve(ctx context.Context, j jid.JID) (Found, error) {
	var result Found
	err := b.browse(ctx, func(f Found) bool {
		if f.JID.Equal(j.Bare()) {
			result = f
		}
		return len(result.Addrs) > 0
	})
	if err == nil && len(result.Addrs) == 0 {
		err = &xmpp.UnreachableError{Addr: j.Bare().String(), Err: fmt.Errorf("nobody on this network announces that name: %w", context.Cause(ctx))}
	}
	return result, err
}

// browse asks and collects until ctx ends or stop says so.
func (b Browser) browse(ctx context.Context, stop func(Found) bool) error {
	askers, err := b.open()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	packets := make(chan heard)
	var reading sync.WaitGroup
	for _, a := range askers {
		reading.Go(func() { a.read(ctx, packets) })
	}
	defer func() {
		cancel()
		for _, a := range askers {
			_ = a.conn.Close()
		}
		reading.Wait()
	}()
	known := newCache()
	for round := 0; ; round++ {
		if !ask(askers, known.questions()) && round == 0 {
			return errors.New("lan: no network takes multicast questions: give the device's address, lan:HOST")
		}
		timer := time.NewTimer(askWaits[min(round, len(askWaits)-1)])
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				timer.Stop()
				return nil
			case <-timer.C:
				waiting = false
			case p := <-packets:
				for _, f := range known.learn(p) {
					if stop(f) {
						timer.Stop()
						return nil
					}
				}
				if follow := known.missing(); len(follow) > 0 {
					ask(askers, follow)
				}
			}
		}
	}
}

// asker is a socket that asks on one network interface, in one address family.
type asker struct {
	conn  *net.UDPConn
	group *net.UDPAddr
	place place
}

// heard is an answer and where it was heard.
type heard struct {
	msg  *dns.Msg
	zone string
}

func (b Browser) open() ([]*asker, error) {
	places, err := findPlaces(b.Interfaces, netip.IPv4Unspecified())
	if err != nil {
		return nil, err
	}
	var out []*asker
	var failed error
	for _, at := range places {
		for _, open := range []func(place) (*asker, error){openAsker4, openAsker6} {
			a, err := open(at)
			if err != nil {
				failed = errors.Join(failed, err)
				continue
			}
			out = append(out, a)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("lan: this machine has no network that can be searched: give the device's address, lan:HOST (%w)",
			errors.Join(errors.New("no interface with multicast"), failed))
	}
	return out, nil
}

func openAsker4(at place) (*asker, error) {
	from := at.source(netip.Addr.Is4)
	if from == nil {
		return nil, errors.New("no IPv4 address")
	}
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: from})
	if err != nil {
		return nil, err
	}
	c := ipv4.NewPacketConn(udp)
	if err := errors.Join(c.SetMulticastInterface(&at.iface), c.SetMulticastTTL(255), c.SetMulticastLoopback(true)); err != nil {
		_ = udp.Close()
		return nil, err
	}
	return &asker{udp, group4, at}, nil
}

func openAsker6(at place) (*asker, error) {
	from := at.source(func(a netip.Addr) bool { return a.Is6() && a.IsLinkLocalUnicast() })
	if from == nil {
		return nil, errors.New("no link-local IPv6 address")
	}
	udp, err := net.ListenUDP("udp6", &net.UDPAddr{IP: from, Zone: at.iface.Name})
	if err != nil {
		return nil, err
	}
	c := ipv6.NewPacketConn(udp)
	if err := errors.Join(c.SetMulticastInterface(&at.iface), c.SetMulticastHopLimit(255), c.SetMulticastLoopback(true)); err != nil {
		_ = udp.Close()
		return nil, err
	}
	return &asker{udp, group6, at}, nil
}

// ask sends the questions everywhere, and reports whether any left.
func ask(askers []*asker, questions []dns.Question) bool {
	m := new(dns.Msg)
	m.Id, m.Question = dns.Id(), questions
	b, err := m.Pack()
	if err != nil {
		return false
	}
	var sent bool
	for _, a := range askers {
		_ = a.conn.SetWriteDeadline(time.Now().Add(time.Second))
		_, err := a.conn.WriteToUDP(b, a.group)
		sent = sent || err == nil
	}
	return sent
}

// read hands out answers of this network until the socket is closed. What comes from elsewhere was not asked
// (RFC 6762 §11).
func (a *asker) read(ctx context.Context, out chan<- heard) {
	buf := make([]byte, maxPacket)
	for ctx.Err() == nil {
		n, from, err := a.conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			pause(ctx, 100*time.Millisecond) // a refusal of what was sent; but do not spin
			continue
		}
		msg, err := parseMessage(buf[:n])
		if err != nil || !msg.Response || from.Port() != mdnsPort || !onLink(from.Addr(), a.place.prefixes) {
			continue
		}
		select {
		case out <- heard{msg, a.place.iface.Name}:
		case <-ctx.Done():
		}
	}
}
