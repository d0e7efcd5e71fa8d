package lan

import (
	"net"
	"net/netip"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/stream"
)

// Link is a stream with another machine. Its RemoteAddr is what the peer says of himself; NetAddr is where he is.
type Link struct {
	*stream.Stream
	peer  net.Addr
	place *tableConn // nil for one that this side has dialled
}

var _ xmpp.Link = (*Link)(nil)

// NetAddr returns the peer's network address, a *[net.TCPAddr].
func (l *Link) NetAddr() net.Addr { return l.peer }

// Proven says that the peer has proven who he is: his connection gives way to nobody any more.
func (l *Link) Proven() {
	if l.place != nil {
		l.place.proven.Store(true)
	}
}

// hostOf returns the machine in a network address: an IPv4 address is the same however the socket writes it.
func hostOf(a net.Addr) netip.Addr {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}
