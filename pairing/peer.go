package pairing

import (
	"fmt"
	"net/netip"
	"time"
)

// A Link is how a peer reaches the device.
type Link int

const (
	// LinkServer: through XMPP servers, which vouch for the peer's JID.
	LinkServer Link = iota
	// LinkLAN: directly. The peer's JID is a claim.
	LinkLAN
)

// A Peer is somebody who wants to pair.
type Peer struct {
	// JID is the bare JID, in prepared form.
	JID  string
	Link Link
	// Addr is the remote address, on LinkLAN.
	Addr netip.Addr
}

// A peerKey is what a peer's limits hang on: the bare JID or, on the LAN, where a JID
// costs nothing, the address.
type peerKey struct {
	link Link
	jid  string
	addr netip.Addr
}

func (p Peer) key() peerKey {
	if p.Link == LinkLAN {
		return peerKey{link: LinkLAN, addr: p.Addr.Unmap()}
	}
	return peerKey{link: LinkServer, jid: p.JID}
}

// A tally is what a peer has done in a window.
type tally struct{ starts, failed int }

// MayTry reports whether the peer could start a handshake now: nil, or one of
// ErrMayNotTry, ErrNoWindow, ErrLocked, ErrTooMany. It counts nothing.
func (p *Policy) MayTry(now time.Time, peer Peer) (Effects, error) {
	var eff Effects
	p.advance(now, &eff)
	return eff, p.check(peer, now, &eff)
}

// Admit is MayTry for the answer to a session offer: a person may be typing from now on.
// With the second peer in a window it is crowded.
func (p *Policy) Admit(now time.Time, peer Peer) (Effects, error) {
	var eff Effects
	p.advance(now, &eff)
	if err := p.check(peer, now, &eff); err != nil {
		return eff, err
	}
	p.tally(peer)
	return eff, nil
}

// tally returns what is counted of a peer in the window that is there.
func (p *Policy) tally(peer Peer) *tally {
	w, key := &p.window, peer.key()
	if w.peers[key] == nil {
		w.peers[key] = &tally{}
	}
	return w.peers[key]
}

// check is MayTry's decision. Whether the peer may try at all comes first: a stranger
// learns nothing about windows and locks.
func (p *Policy) check(peer Peer, now time.Time, eff *Effects) error {
	if !p.entitled(peer) {
		p.name(peer, eff)
		return ErrMayNotTry
	}
	switch p.state {
	case Damaged:
		return ErrDamaged
	case Locked:
		return ErrLocked
	case Closed, Armed:
		return ErrNoWindow
	case Waiting:
		return &LimitError{Limit: "the PIN was wrong", RetryAfter: p.window.waitUntil.Sub(now)}
	case Enrolling:
		return &LimitError{Limit: "another peer is being paired", RetryAfter: stallLimit}
	}
	return p.limits(peer.key())
}

// entitled decides who may try at all, DESIGN §4 "Who may try".
func (p *Policy) entitled(peer Peer) bool {
	owners := p.cfg.Owners
	switch {
	case peer.JID == "":
		return false
	case p.state == Damaged || !owners.Owned(): // nobody can pair while Damaged; this is about what he is told
		return peer.Link == LinkLAN ||
			p.cfg.Domain != "" && domainOf(peer.JID) == p.cfg.Domain ||
			p.cfg.Allow.Match(peer.JID) || p.window.guests.Match(peer.JID)
	case peer.Link == LinkLAN && p.state.running() && !p.window.remote():
		// Once owned, a press does not let the LAN in: a JID there is a claim.
		return false
	}
	return owners.Owner(peer.JID, peer.Link) || p.window.guests.Match(peer.JID)
}

// name tells the people at the device who was refused: each once, and not without end.
func (p *Policy) name(peer Peer, eff *Effects) {
	w := &p.window
	if !p.state.running() || w.named[peer.JID] || len(w.named) >= maxNamed {
		return
	}
	w.named[peer.JID] = true
	eff.say(p.notice(NoticeMayNotTry, peer.JID))
}

// limits applies the caps on handshakes in the open window.
func (p *Policy) limits(key peerKey) error {
	running := 0
	for _, a := range p.attempts {
		if a.phase != handshaking && a.phase != awaiting {
			continue
		}
		if a.peer.key() == key && a.phase == awaiting {
			continue // it gives way; see replace
		}
		if a.peer.key() == key {
			return &LimitError{Limit: "one handshake at a time for each peer", RetryAfter: stallLimit}
		}
		running++
	}
	t := p.window.peers[key]
	mayFail := maxPeerFailed
	if p.window.proofs >= maxSeconds { // everybody first gets his one
		mayFail = 1
	}
	switch {
	case t != nil && t.failed >= mayFail:
		return &LimitError{Limit: fmt.Sprintf("%d wrong PINs from one peer in a window", t.failed)}
	case t != nil && t.starts >= maxStarts:
		return &LimitError{Limit: fmt.Sprintf("%d handshakes from one peer in a window", maxStarts)}
	case t == nil && len(p.window.peers) >= maxPeers:
		return &LimitError{Limit: "too many peers in one window"}
	case running >= maxAtOnce:
		return &LimitError{Limit: fmt.Sprintf("%d handshakes at once", maxAtOnce), RetryAfter: stallLimit}
	}
	return nil
}
