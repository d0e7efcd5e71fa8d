package xmpp

import "mellium.im/xmpp/jid"

// Link carries stanzas: through a server, over the LAN, or inside an encrypted channel.
//
// One goroutine reads and one writes; [Session] is both. Close may come from any goroutine,
// at any time and more than once: it unblocks both, within a few seconds even if the peer
// is silent, and after it both fail. ReadStanza returns io.EOF when the peer ended
// the stream in order, and io.ErrUnexpectedEOF when it vanished.
//
// On a link through a server From is what the server vouches for; a stanza that a server
// sends without one comes from the own bare address (RFC 6120 §8.1.2.1). On a link between
// two parties From and To are the link's addresses, whatever the peer wrote.
//
// A link may have an end of its own that nobody asked for; it does not reconnect under the same address
// unless it can tell that nothing was lost. linktest.Run checks this contract.
type Link interface {
	// LocalAddr is the own address: full as bound at a server, else bare.
	LocalAddr() jid.JID
	// RemoteAddr is the other party's address, or the zero JID where a server stands between.
	RemoteAddr() jid.JID
	ReadStanza() (*Stanza, error)
	WriteStanza(*Stanza) error
	Close() error
}

// A BatchLink can write several stanzas at once, in order, as WriteStanza writes one.
type BatchLink interface {
	Link
	WriteStanzas(list []*Stanza) error
}
