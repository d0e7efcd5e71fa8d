package agent

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"

	"mellium.im/xmpp/jid"

	"xtls-agent/trust"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/lan"
)

// serveLAN serves the LAN link until ctx ends. A port that cannot be had ends the device only
// if there is no other way to reach it.
func (l *life) serveLAN(ctx context.Context) error {
	listener, err := lan.Listen(ctx, lan.Config{
		Addr: l.cfg.LAN.Listen, Local: l.address(), Aliases: []jid.JID{l.lanAddress()}, Log: l.log,
	})
	if err != nil {
		if l.account == nil {
			return err
		}
		l.log.Error("no LAN link", "err", err)
		l.links.set("lan", l.cfg.LAN.Listen, "failed: "+err.Error())
		<-ctx.Done()
		return ctx.Err()
	}
	l.links.set("lan", listener.Addr().String(), "listening")
	l.log.Info("listening on the LAN", "addr", listener.Addr().String())
	l.env.Listening(listener.Addr().String())
	l.env.Ready()
	var serving sync.WaitGroup
	defer serving.Wait()
	defer listener.Close()
	if l.cfg.LAN.Announce() {
		serving.Go(func() { l.announce(ctx, listener) })
	}
	for {
		link, err := listener.Accept(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil:
			l.log.Warn("LAN link", "err", err)
			continue
		}
		serving.Go(func() { l.serveLANLink(ctx, link) })
	}
}

// serveLANLink serves one peer on the LAN. Its JID is a claim; its address counts.
func (l *life) serveLANLink(ctx context.Context, link *lan.Link) {
	var addr netip.Addr
	if tcp, ok := link.NetAddr().(*net.TCPAddr); ok {
		addr = tcp.AddrPort().Addr().Unmap()
	}
	s := xmpp.NewSession(link, l.log)
	end, _ := l.onOpenLink(s, trust.LAN, peerOf(trust.LAN, addr), link.Proven)
	var open openLink
	open.set(s, end)
	defer open.close()
	if err := untilFarewell(ctx, &open, s.Serve); err != nil && ctx.Err() == nil {
		l.log.Debug("LAN link ended", "peer", addr.String(), "err", err)
	}
}
