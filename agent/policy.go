package agent

import (
	"net/netip"
	"slices"

	"mellium.im/xmpp/jid"

	"xtls-agent/pairing"
	"xtls-agent/trust"
)

// owners answers what the pairing policy asks about the device's owners.
type owners struct{ peers *trust.Peers }

// Owned reports whether there is a confirmed owner.
func (o owners) Owned() bool { return o.peers.Owned() }

// Owner reports whether the bare JID is a confirmed owner's. On the server link it must have been
// proven there; on the LAN it is a claim, which the policy takes for no more.
func (o owners) Owner(bare string, link pairing.Link) bool {
	j, err := jid.Parse(bare)
	if err != nil {
		return false
	}
	if link == pairing.LinkServer {
		return o.peers.MayTryOnServer(j)
	}
	return slices.ContainsFunc(o.peers.ByJID(j), func(r trust.Record) bool { return r.State == trust.Confirmed })
}

// noAddr stands where a server stands between, and addresses mean nothing.
var noAddr netip.Addr

// peerOf tells the policy how peers on a link count: by JID through a server, by address on
// the LAN.
func peerOf(kind trust.Link, addr netip.Addr) func(jid.JID) pairing.Peer {
	return func(j jid.JID) pairing.Peer {
		p := pairing.Peer{JID: j.Bare().String(), Link: pairing.LinkServer}
		if kind == trust.LAN {
			p.Link, p.Addr = pairing.LinkLAN, addr
		}
		return p
	}
}
