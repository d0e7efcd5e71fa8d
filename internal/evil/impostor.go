package evil

import (
	"io"
	"strings"
	"sync"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
)

// An Impostor is the server in the place of one of its clients, towards another: what the victim says of Jingle and of bytestreams to
// the first reaches the impostor alone, and the victim takes the impostor's words for the first's. It is an [xmpp.Link].
type Impostor struct {
	relay  *Relay
	as     jid.JID
	victim string // a bare JID

	mu     sync.Mutex          // guards all below
	asked  map[string]struct{} // the ids of requests that the victim is to answer
	read   chan *xmpp.Stanza
	closed chan struct{}
	close  func()
}

// InPlaceOf makes an impostor of the client with the full address, towards a victim, by its bare JID. Its Move must be the
// relay's.
func (r *Relay) InPlaceOf(full, victim string) *Impostor {
	i := &Impostor{
		relay: r, as: jid.MustParse(full), victim: victim,
		asked: make(map[string]struct{}), read: make(chan *xmpp.Stanza, 1000), closed: make(chan struct{}),
	}
	i.close = sync.OnceFunc(func() { close(i.closed) })
	return i
}

// Move is the impostor's [Move].
func (i *Impostor) Move(st *xmpp.Stanza) []*xmpp.Stanza {
	if st.From.Bare().String() != i.victim || !st.To.Equal(i.as) || !i.concerns(st) {
		return []*xmpp.Stanza{st}
	}
	select {
	case i.read <- st:
	default: // more than it can be sent in a test
	}
	return nil
}

func (i *Impostor) concerns(st *xmpp.Stanza) bool {
	if st.IsResponse() {
		i.mu.Lock()
		defer i.mu.Unlock()
		_, asked := i.asked[st.ID]
		return asked
	}
	text := st.Element().String()
	return strings.Contains(text, "urn:xmpp:jingle:") || strings.Contains(text, "http://jabber.org/protocol/ibb")
}

// LocalAddr implements [xmpp.Link].
func (i *Impostor) LocalAddr() jid.JID { return i.as }

// RemoteAddr implements [xmpp.Link].
func (i *Impostor) RemoteAddr() jid.JID { return jid.JID{} }

// ReadStanza implements [xmpp.Link].
func (i *Impostor) ReadStanza() (*xmpp.Stanza, error) {
	select {
	case st := <-i.read:
		return st, nil
	case <-i.closed:
		return nil, io.EOF
	}
}

// WriteStanza implements [xmpp.Link].
func (i *Impostor) WriteStanza(st *xmpp.Stanza) error {
	out := *st
	out.From = i.as
	if !out.IsResponse() {
		i.mu.Lock()
		i.asked[out.ID] = struct{}{}
		i.mu.Unlock()
	}
	return i.relay.Inject(&out)
}

// Close implements [xmpp.Link].
func (i *Impostor) Close() error {
	i.close()
	return nil
}
