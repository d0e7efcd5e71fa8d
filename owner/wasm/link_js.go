package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"syscall/js"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
)

// closeGrace bounds how long closing waits for JavaScript to close its connection.
const closeGrace = 2 * time.Second

// maxStanza bounds what is copied of a stanza that arrives, in UTF-16 units, which are never more than its bytes.
const maxStanza = 262144

// link is an [xmpp.Link] that JavaScript made. It is an object
//
//	{ local, remote, read(), write(stanza), close() }
//
// local is the own address: full as bound at a server, bare on a direct link; remote is the address of the device
// at the other end of a direct link, and absent where a server stands between. A stanza is a string of one whole
// XML element, as in a WebSocket frame (RFC 7395 §3.3). read resolves to the next one, or to null when the other side
// ended the stream in order; it rejects when the connection is lost. write resolves when there is room for more. One read and
// one write are under way at a time. After close both must settle.
//
// On a link through a server, from is what the server vouches for: JavaScript must pass it on unchanged.
type link struct {
	object        js.Value
	local, remote jid.JID
	direct        bool
	log           *slog.Logger

	closing sync.Once
	closed  chan struct{}
}

var _ xmpp.Link = (*link)(nil)

func newLink(object js.Value, log *slog.Logger) (*link, error) {
	if err := needMethods("link", object, "read", "write", "close"); err != nil {
		return nil, err
	}
	l := &link{object: object, log: log, closed: make(chan struct{})}
	var err error
	if l.local, err = address(object, "local"); err != nil {
		return nil, err
	}
	if l.remote, err = address(object, "remote"); err != nil {
		return nil, err
	}
	l.direct = !l.remote.Equal(jid.JID{})
	switch {
	case l.direct:
		l.local, l.remote = l.local.Bare(), l.remote.Bare()
	case l.local.Resourcepart() == "":
		return nil, usageError("link.local must be the full JID that the server bound, or link.remote must name the device")
	}
	return l, nil
}

// LocalAddr implements [xmpp.Link].
func (l *link) LocalAddr() jid.JID { return l.local }

// RemoteAddr implements [xmpp.Link].
func (l *link) RemoteAddr() jid.JID { return l.remote }

// ReadStanza implements [xmpp.Link]. What cannot be read is passed over on a link through a server, where any
// stranger may have sent it; a device that sends such a thing ends its direct link.
func (l *link) ReadStanza() (*xmpp.Stanza, error) {
	for {
		text, err := l.next()
		if err != nil {
			return nil, err
		}
		st, err := l.parse(text)
		if err == nil {
			return st, nil
		}
		if l.direct {
			return nil, fmt.Errorf("wasm: reading from the link: %w", err)
		}
		l.log.Warn("a stanza cannot be read", "err", err)
	}
}

// next returns the next string that JavaScript has.
func (l *link) next() (js.Value, error) {
	select {
	case <-l.closed:
		return js.Undefined(), xmpp.ErrClosed
	default:
	}
	v, err := ask(l.closed, l.object, "read")
	switch {
	case errors.Is(err, errStopped):
		return v, xmpp.ErrClosed
	case err != nil:
		return v, fmt.Errorf("wasm: the connection was lost: %w: %w", io.ErrUnexpectedEOF, err)
	case absent(v):
		return v, io.EOF
	}
	return v, nil
}

// parse reads one stanza. It stands in a stream of jabber:client (RFC 6120 §4.8.2), since libraries
// leave out what the stream has declared.
func (l *link) parse(text js.Value) (*xmpp.Stanza, error) {
	switch {
	case text.Type() != js.TypeString:
		return nil, fmt.Errorf("a stanza must be a string, not %s", text.Type())
	case js.Global().Get("Object").Invoke(text).Length() > maxStanza: // a bare string has no Length here
		return nil, xmpp.ErrTooBig
	}
	d := xmpp.NewDecoder(strings.NewReader("<stream xmlns='"+xmpp.NSClient+"'>"+text.String()+"</stream>"), xmpp.Limits{})
	if _, err := d.Root(); err != nil {
		return nil, err
	}
	el, err := d.Next()
	if err != nil {
		return nil, fmt.Errorf("%w: no element", xmpp.ErrNotWellFormed)
	}
	if _, err := d.Next(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: more than one element", xmpp.ErrNotWellFormed)
	}
	if l.direct { // what it says of addresses does not count
		el.With("from", "").With("to", "")
	}
	st, err := xmpp.ParseStanza(el)
	if err != nil {
		return nil, err
	}
	switch {
	case l.direct:
		st.From, st.To = l.remote, l.local
	case st.From.Equal(jid.JID{}):
		st.From = l.local.Bare() // RFC 6120 §8.1.2.1
	}
	if st.To.Equal(jid.JID{}) {
		st.To = l.local
	}
	return st, nil
}

// WriteStanza implements [xmpp.Link].
func (l *link) WriteStanza(st *xmpp.Stanza) error {
	select {
	case <-l.closed:
		return xmpp.ErrClosed
	default:
	}
	out := *st
	out.From = jid.JID{} // the server's to say
	if l.direct {
		out.From, out.To = l.local, l.remote
	}
	_, err := ask(l.closed, l.object, "write", out.Element().String())
	if errors.Is(err, errStopped) {
		return xmpp.ErrClosed
	}
	if err != nil {
		return fmt.Errorf("wasm: writing to the link: %w", err)
	}
	return nil
}

// Close implements [xmpp.Link].
func (l *link) Close() error {
	var err error
	l.closing.Do(func() {
		close(l.closed)
		late := make(chan struct{})
		timer := time.AfterFunc(closeGrace, func() { close(late) })
		defer timer.Stop()
		_, err = ask(late, l.object, "close")
	})
	if err != nil {
		return fmt.Errorf("wasm: closing the link: %w", err)
	}
	return nil
}

// address reads a property that is a JID or absent.
func address(object js.Value, property string) (jid.JID, error) {
	v := object.Get(property)
	if absent(v) {
		return jid.JID{}, nil
	}
	if v.Type() == js.TypeString {
		if j, err := jid.Parse(v.String()); err == nil {
			return j, nil
		}
	}
	return jid.JID{}, usageError(property + " must be a JID, such as box@home.example")
}
