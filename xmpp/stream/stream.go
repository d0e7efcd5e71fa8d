package stream

import (
	"context"
	"crypto/rand"
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
)

// defaultHeaderTimeout bounds the exchange of headers. A line may stand still for half of it.
const defaultHeaderTimeout = time.Minute

// Config says between whom a stream is. Zero limits and times mean the defaults.
type Config struct {
	// Local and Remote are the bare JIDs of the headers. A zero Remote is learnt from the peer's header: it is then
	// what the peer says, and proves nothing.
	Local, Remote jid.JID

	// Aliases are further addresses of the side that answers: a peer who asks for one of them gets that in the place of Local.
	Aliases []jid.JID

	// Strict demands both addresses in the peer's header, as they are in Local and Remote and without a resource, and tells
	// a peer that fails it nothing at all: neither our header, if that was not sent yet, nor an error. It is for
	// end-to-end streams, where the answering header is the proof that the responder agrees (DESIGN §3, "Open means proven").
	// Without it an absent address is taken as the right one, since a client on the LAN may know a network address only.
	Strict bool

	Limits        xmpp.Limits
	HeaderTimeout time.Duration // of the exchange of headers, in all; default 60 s
	WriteTimeout  time.Duration // for which a write may stand still; default 30 s
}

// Stream is an [xmpp.Link] between two parties. From and To of each stanza that is read are the stream's
// addresses, whatever the peer wrote; those of each that is written are set to them.
type Stream struct {
	framer        *Framer
	local, remote jid.JID
	from, to      string // as they are written
	client        bool
	features      bool // the server's features were seen; used by the reader only
}

var _ xmpp.BatchLink = (*Stream)(nil)

// Client opens a stream as the side that speaks first: it sends its header, then waits for the peer's. On success the stream
// owns conn; on an error conn is the caller's to close.
func Client(ctx context.Context, conn net.Conn, cfg Config) (*Stream, error) {
	s := newStream(conn, cfg, true)
	err := s.framer.Within(ctx, cfg.headerTimeout(), func() error {
		if err := s.framer.WriteHeader(Header{From: s.local, To: s.remote, Version: version}); err != nil {
			return err
		}
		peer, err := s.framer.ReadHeader()
		if err != nil {
			return err
		}
		return s.agree(peer, cfg.Strict)
	})
	if err != nil {
		return nil, s.refuse(cfg, err)
	}
	return s, nil
}

// Server opens a stream as the side that answers: it waits for the peer's header, checks it, then sends its own. On
// success the stream owns conn; on an error conn is the caller's to close.
func Server(ctx context.Context, conn net.Conn, cfg Config) (*Stream, error) {
	s := newStream(conn, cfg, false)
	err := s.framer.Within(ctx, cfg.headerTimeout(), func() error {
		peer, err := s.framer.ReadHeader()
		if err != nil {
			return err
		}
		s.answerTo(peer.To.Bare(), cfg.Aliases)
		if err := s.agree(peer, cfg.Strict); err != nil {
			return err
		}
		return s.framer.WriteHeader(s.answer(), featuresFor(peer)...)
	})
	if err != nil {
		return nil, s.refuse(cfg, err)
	}
	return s, nil
}

func newStream(conn net.Conn, cfg Config, client bool) *Stream {
	return &Stream{
		framer: NewFramer(conn, cfg.Limits, cfg.WriteTimeout),
		local:  cfg.Local.Bare(), remote: cfg.Remote.Bare(), client: client,
	}
}

func (c Config) headerTimeout() time.Duration {
	if c.HeaderTimeout <= 0 {
		return defaultHeaderTimeout
	}
	return c.HeaderTimeout
}

// answerTo takes the alias that the peer has asked for, if it is one.
func (s *Stream) answerTo(asked jid.JID, aliases []jid.JID) {
	if !asked.Equal(jid.JID{}) && slices.ContainsFunc(aliases, asked.Equal) {
		s.local = asked
	}
}

// agree checks the peer's header, and learns from it who the peer is where that is not known.
func (s *Stream) agree(peer Header, strict bool) error {
	remote, err := checkAddress("from", peer.From, s.remote, strict)
	if err != nil {
		return err
	}
	if _, err := checkAddress("to", peer.To, s.local, strict); err != nil {
		return err
	}
	s.remote = remote
	s.from, s.to = s.local.String(), remote.String()
	return nil
}

func (s *Stream) answer() Header {
	return Header{From: s.local, To: s.remote, ID: rand.Text(), Version: version}
}

// featuresFor is what follows the answering header: nothing is negotiated here, and a peer of
// XMPP 1.0 is told so (RFC 6120 §4.3.2).
func featuresFor(peer Header) []*xmpp.Element {
	if peer.Version == "" {
		return nil
	}
	return []*xmpp.Element{xmpp.NewElement(xmpp.NSStream, "features")}
}

// refuse tells the peer why there will be no stream, unless it must not be told, and returns err with its context.
func (s *Stream) refuse(cfg Config, err error) error {
	var header *HeaderError
	var own *Error
	switch {
	case cfg.Strict:
	case errors.As(err, &header):
		own = &Error{Condition: InvalidFrom, Sent: true}
		if header.Attr == "to" {
			own.Condition = HostUnknown
		}
	case errors.As(err, &own) && !own.Sent:
		own = nil
	}
	if own != nil {
		if !s.client { // an error needs a stream around it (RFC 6120 §4.9.1.2)
			_ = s.framer.WriteHeader(s.answer())
		}
		s.framer.Abort(own)
	}
	return fmt.Errorf("stream: opening: %w", err)
}

// LocalAddr returns the own bare address.
func (s *Stream) LocalAddr() jid.JID { return s.local }

// RemoteAddr returns the peer's bare address.
func (s *Stream) RemoteAddr() jid.JID { return s.remote }

// ReadStanza returns the next stanza. Anything else at the top level ends the stream with a stream error, which is
// also returned, as an *[Error].
func (s *Stream) ReadStanza() (*xmpp.Stanza, error) {
	el, err := s.framer.ReadElement()
	if err != nil {
		return nil, err
	}
	if s.client && !s.features && el.Is(xmpp.NSStream, "features") {
		s.features = true
		return s.ReadStanza()
	}
	s.features = true // they come first, or never
	el.Attrs = slices.DeleteFunc(el.Attrs, isAddress)
	st, err := xmpp.ParseStanza(el)
	if err != nil {
		refused := &Error{Condition: conditionFor(el), Sent: true, Err: err}
		s.framer.Abort(refused)
		return nil, refused
	}
	st.From, st.To = s.remote, s.local
	return st, nil
}

func isAddress(a xml.Attr) bool {
	return a.Name.Space == "" && (a.Name.Local == "from" || a.Name.Local == "to")
}

// conditionFor tells an element that is no stanza from a stanza that is malformed.
func conditionFor(el *xmpp.Element) string {
	switch {
	case el.Is(xmpp.NSClient, xmpp.IQ), el.Is(xmpp.NSServer, xmpp.IQ):
		return BadFormat
	}
	return UnsupportedStanzaType
}

// WriteStanza writes st, with the stream's addresses.
func (s *Stream) WriteStanza(st *xmpp.Stanza) error { return s.WriteStanzas([]*xmpp.Stanza{st}) }

// WriteStanzas writes several in one go.
func (s *Stream) WriteStanzas(list []*xmpp.Stanza) error {
	return s.framer.WriteStanzas(list, func(*xmpp.Stanza) (from, to string) { return s.from, s.to })
}

// Close ends the stream in order, see [Framer.Close], and closes the connection.
func (s *Stream) Close() error { return s.framer.Close() }
