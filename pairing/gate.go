package pairing

import (
	"errors"

	"mellium.im/xmpp/jid"

	"xtls-agent/xtls"
)

// Gate returns the keeper as the gate of one link: peerOf says how a JID on that link
// counts, since on the LAN it is a claim and the network address counts instead.
func (k *Keeper) Gate(peerOf func(jid.JID) Peer) xtls.Gate { return gate{k, peerOf} }

type gate struct {
	keeper *Keeper
	peerOf func(jid.JID) Peer
}

func (g gate) MayTry(peer jid.JID) error { return forPeer(g.keeper.MayTry(g.peerOf(peer))) }

func (g gate) Admit(peer jid.JID) error { return forPeer(g.keeper.Admit(g.peerOf(peer))) }

func (g gate) Start(peer jid.JID) (xtls.Attempt, error) {
	a, err := g.keeper.Start(g.peerOf(peer))
	if err != nil {
		return nil, forPeer(err)
	}
	return a, nil
}

func (g gate) Typed() bool { return g.keeper.mode == ModeTyped }

// forPeer adds to an error of the policy what the peer may hear of it.
func forPeer(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrLocked):
		return errors.Join(xtls.ErrLocked, err)
	case errors.Is(err, ErrNoWindow):
		return errors.Join(xtls.ErrNotPairing, err)
	case errors.Is(err, ErrTooMany):
		return errors.Join(xtls.ErrTooMany, err)
	default:
		return errors.Join(xtls.ErrRefused, err)
	}
}
