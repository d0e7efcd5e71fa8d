package lan

import (
	"context"
	crand "crypto/rand"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
	"mellium.im/xmpp/jid"
)

// Times of the responder.
const (
	probeWait    = 250 * time.Millisecond // RFC 6762 §8.1, three times
	announceWait = time.Second            // RFC 6762 §8.3, between the two announcements
	lookWait     = 10 * time.Second       // how often the network interfaces are looked at
	retryWait    = 15 * time.Second       // after a failure or a conflict, and up to as long again
	replyWait    = time.Second            // RFC 6762 §6: no record is multicast again sooner
)

// maxUnicast is how many unicast replies leave in a second, whoever asks.
const maxUnicast = 20

var errConflict = errors.New("another machine on this network has the same name: choose another name for one of them")

// Announce makes the listener known by multicast DNS as p, until ctx ends or the listener is closed. Where that cannot be
// done, because there is no network yet, or none that can multicast, or another machine has the name, it says so in the log and tries
// again later; the listener works on by address. An error is returned only for what cannot get better.
func (l *Listener) Announce(ctx context.Context, p Presence) error {
	if p.As.Equal(jid.JID{}) {
		p.As = l.cfg.Local
	}
	instance, err := instanceName(p.As)
	if err != nil {
		return err
	}
	at := l.Addr().(*net.TCPAddr).AddrPort()
	a := &announcer{
		service: service{
			instance: instance, host: "xtls-" + strings.ToLower(crand.Text()[:12]) + ".local.",
			port: at.Port(), text: p.text(at.Port()),
		},
		interfaces: p.Interfaces, only: at.Addr().Unmap(), log: l.cfg.Log,
	}
	ctx, stop := context.WithCancel(ctx)
	var announcing sync.WaitGroup
	announcing.Go(func() { a.run(ctx) })
	select {
	case <-l.done:
	case <-ctx.Done():
	}
	stop()
	announcing.Wait()
	return nil
}

// announcer is a responder of multicast DNS for one service.
type announcer struct {
	service    service
	interfaces []string
	only       netip.Addr // the one address that is listened on, or the unspecified one
	log        *slog.Logger
}

func (a *announcer) run(ctx context.Context) {
	var last string
	for {
		err := a.session(ctx)
		if ctx.Err() != nil {
			return
		}
		if err.Error() != last {
			last = err.Error()
			a.log.Warn("this device is not announced on the LAN; it can still be reached by its address", "err", err)
		}
		pause(ctx, retryWait+rand.N(retryWait))
	}
}

// session announces until ctx ends, or until it fails.
func (a *announcer) session(ctx context.Context) error {
	sockets, err := openSockets(a.log)
	if err != nil {
		return err
	}
	r := &responding{announcer: a, sockets: sockets, packets: make(chan packet), multicast: make(map[int]time.Time)}
	ctx, stop := context.WithCancel(ctx)
	var reading sync.WaitGroup
	for _, s := range sockets {
		reading.Go(func() { s.read(ctx, r.packets) })
	}
	defer func() {
		stop()
		for _, s := range sockets {
			_ = s.close()
		}
		reading.Wait()
	}()
	return r.run(ctx)
}

// responding is one session of an announcer. All of it belongs to one goroutine.
type responding struct {
	*announcer
	sockets []*socket
	packets chan packet
	places  []place

	multicast map[int]time.Time // by interface: when a reply was last multicast
	second    time.Time         // the second that unicast counts in
	unicast   int               // replies in that second
}

// run probes, announces and then answers (RFC 6762 §8).
func (r *responding) run(ctx context.Context) error {
	if err := r.look(); err != nil {
		return err
	}
	for range 3 {
		r.everywhere(func([]netip.Addr) *dns.Msg { return r.service.probe() })
		if err := r.serve(ctx, probeWait, false); err != nil {
			return err
		}
	}
	err := r.announced(ctx)
	if !errors.Is(err, errConflict) { // else the records are the other's too
		r.everywhere(r.service.goodbye)
	}
	return err
}

// announced announces, answers, and announces anew when the network has changed.
func (r *responding) announced(ctx context.Context) error {
	for {
		for range 2 {
			r.everywhere(r.service.announcement)
			if err := r.serve(ctx, announceWait, true); err != nil {
				return err
			}
		}
		for before := r.places; samePlaces(before, r.places); {
			if err := r.serve(ctx, lookWait, true); err != nil {
				return err
			}
			if err := r.look(); err != nil {
				return err
			}
		}
	}
}

// serve takes packets for the time d.
func (r *responding) serve(ctx context.Context, d time.Duration, answer bool) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			return nil
		case p := <-r.packets:
			i := slices.IndexFunc(r.places, func(at place) bool { return at.iface.Index == p.iface })
			switch {
			case i < 0 || !onLink(p.from.Addr(), r.places[i].prefixes):
			case r.service.conflicts(p.msg):
				return errConflict
			case answer:
				r.reply(p, r.places[i])
			}
		}
	}
}

// onLink reports whether an address is of the network that the packet came from. Others get no answer, since
// it would help somebody to flood a third (RFC 6762 §11).
func onLink(from netip.Addr, ours []netip.Prefix) bool {
	from = from.WithZone("").Unmap()
	return from.IsLinkLocalUnicast() || slices.ContainsFunc(ours, func(p netip.Prefix) bool { return p.Contains(from) })
}

func (r *responding) reply(p packet, at place) {
	legacy := p.from.Port() != mdnsPort
	m, unicast := r.service.reply(p.msg, at.addrs(), legacy)
	now := time.Now()
	switch {
	case m == nil:
	case unicast:
		if now.Sub(r.second) >= time.Second {
			r.second, r.unicast = now, 0
		}
		if r.unicast++; r.unicast <= maxUnicast {
			p.socket.send(m, at, net.UDPAddrFromAddrPort(p.from))
		}
	case len(p.msg.Ns) > 0 || now.Sub(r.multicast[at.iface.Index]) >= replyWait: // a probe cannot wait (§6)
		r.multicast[at.iface.Index] = now
		for _, s := range r.sockets {
			s.send(m, at, s.group)
		}
	}
}

// everywhere multicasts a message on each interface.
func (r *responding) everywhere(message func([]netip.Addr) *dns.Msg) {
	for _, at := range r.places {
		for _, s := range r.sockets {
			s.send(message(at.addrs()), at, s.group)
		}
	}
}

// look finds the interfaces and our addresses on them, and listens on those that are new.
func (r *responding) look() error {
	places, err := findPlaces(r.interfaces, r.only)
	if err != nil {
		return err
	}
	var joined []place
	for _, at := range places {
		var any bool
		for _, s := range r.sockets {
			err := s.join(at.iface)
			if err != nil {
				r.log.Debug("joining the multicast group", "interface", at.iface.Name, "err", err)
			}
			any = any || err == nil
		}
		if any {
			joined = append(joined, at)
		}
	}
	if len(joined) == 0 {
		return errors.New("no network interface takes part in multicast")
	}
	r.places = joined
	return nil
}
