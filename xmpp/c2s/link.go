package c2s

import (
	"log/slog"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/stream"
)

// Link is a bound stream to the account's server.
type Link struct {
	framer   *stream.Framer
	local    jid.JID
	features *xmpp.Element
	log      *slog.Logger
}

var _ xmpp.BatchLink = (*Link)(nil)

// LocalAddr returns the full address that the server bound.
func (l *Link) LocalAddr() jid.JID { return l.local }

// RemoteAddr returns the zero JID: a server stands between.
func (l *Link) RemoteAddr() jid.JID { return jid.JID{} }

// Features returns the features that the server offered after authentication.
func (l *Link) Features() *xmpp.Element { return l.features }

// ReadStanza returns the next stanza. A server passes on what others wrote, so what is wrong with one stanza does not
// end the link: it is left out, with a word in the log.
func (l *Link) ReadStanza() (*xmpp.Stanza, error) {
	for {
		el, err := l.framer.ReadElement()
		if err != nil {
			return nil, err
		}
		st, err := xmpp.ParseStanza(el)
		if err != nil {
			l.log.Warn("left out what the server sent", "err", err)
			continue
		}
		if st.From.Equal(jid.JID{}) {
			st.From = l.local.Bare() // RFC 6120 §8.1.2.1
		}
		if st.To.Equal(jid.JID{}) {
			st.To = l.local
		}
		return st, nil
	}
}

// WriteStanza writes st without its From, which is the server's to say.
func (l *Link) WriteStanza(st *xmpp.Stanza) error { return l.WriteStanzas([]*xmpp.Stanza{st}) }

// WriteStanzas writes several in one go.
func (l *Link) WriteStanzas(list []*xmpp.Stanza) error {
	return l.framer.WriteStanzas(list, func(st *xmpp.Stanza) (from, to string) { return "", st.To.String() })
}

// Close ends the stream in order, within 2 s, and closes the connection.
func (l *Link) Close() error { return l.framer.Close() }
