package pairing

import (
	"encoding/hex"

	"mellium.im/xmpp/jid"

	"xtls-agent/trust"
	"xtls-agent/xtls"
)

// Trust lets xtls ask a set of peers which certificates are pinned. Provisional peers may
// open x509 sessions too: that is how they become confirmed.
func Trust(peers *trust.Peers) xtls.Trust { return pins{peers} }

type pins struct{ peers *trust.Peers }

func (p pins) Known(peer jid.JID) bool { return len(p.peers.ByJID(peer.Bare())) > 0 }

func (p pins) Find(peer jid.JID, hash []byte) (xtls.Fingerprint, bool) {
	announced, err := trust.ParseAnnounced("", hex.EncodeToString(hash))
	if err != nil {
		return xtls.Fingerprint{}, false
	}
	r, ok := p.peers.Lookup(peer.Bare(), announced)
	return xtls.Fingerprint(r.Fingerprint), ok
}

func (p pins) Pinned(peer jid.JID, pin xtls.Fingerprint) bool {
	_, ok := p.peers.Trusted(peer.Bare(), trust.Fingerprint(pin))
	return ok
}
