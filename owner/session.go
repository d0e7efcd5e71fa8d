package owner

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/control"
	"xtls-agent/pairing"
	"xtls-agent/trust"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/adhoc"
	"xtls-agent/xmpp/disco"
	"xtls-agent/xmpp/stream"
	"xtls-agent/xtls"
)

// Session is an encrypted session with a device, proven on both sides.
type Session struct {
	conn    *xtls.Conn
	session *xmpp.Session
	device  trust.Record
	states  *control.States
	heard   atomic.Pointer[time.Time] // when the device last gave a sign of life: a ping, or the answer to one
	served  sync.WaitGroup
}

// Open opens an encrypted session with a paired device. address is where it is: a full JID, a
// bare one, or, on a direct link, nothing (the zero JID).
func (o *Owner) Open(ctx context.Context, address jid.JID) (*Session, error) {
	if !o.direct() && !o.isPaired(address.Bare()) {
		return nil, fmt.Errorf("%s: %w", address.Bare(), ErrNotPaired)
	}
	full, err := o.Find(ctx, address)
	if err != nil {
		return nil, err
	}
	if len(o.keys.Devices.ByJID(full.Bare())) == 0 {
		return nil, fmt.Errorf("%s: %w", full.Bare(), ErrNotPaired)
	}
	return o.open(ctx, full)
}

// open is the straight line from a full JID to a session that is proven: the device's
// stream header has arrived, and it has answered.
func (o *Owner) open(ctx context.Context, full jid.JID) (*Session, error) {
	conn, err := o.xtls.OpenX509(ctx, full)
	if err != nil {
		return nil, o.refused(ctx, full, err)
	}
	link, err := o.stream(ctx, conn)
	if err != nil {
		return nil, err
	}
	s := newSession(conn, link, o.log)
	pairing.AnswerPubkeys(s.session, o.keys.Identity.DER())
	known, _ := o.keys.Devices.Trusted(full.Bare(), trust.Fingerprint(conn.Pin))
	s.session.HandleMessage(xmpp.NSClient, "body", func(_ context.Context, r *xmpp.Request) {
		o.news(known, r.Child(xmpp.NSClient, "body").Text())
	})
	s.served.Go(func() { _ = s.session.Serve(context.Background()) }) // ends with Close
	if err := s.session.Ping(ctx, jid.JID{}); err != nil {
		s.Close()
		return nil, fmt.Errorf("owner: first request on the encrypted session: %w", err)
	}
	if s.device, _, err = o.keys.Devices.Confirm(full.Bare(), trust.Fingerprint(conn.Pin), o.linkKind()); err != nil {
		s.Close()
		return nil, err
	}
	o.log.Debug("encrypted session open", "device", full.String(), "security", s.Security())
	return s, nil
}

// newSession is a session on link, which is not served yet.
func newSession(conn *xtls.Conn, link xmpp.Link, log *slog.Logger) *Session {
	s := &Session{conn: conn, session: xmpp.NewSession(link, log), states: control.NewStates()}
	s.hear()
	s.session.HandleIQ(xmpp.Get, xmpp.NSPing, "ping", func(_ context.Context, r *xmpp.Request) {
		s.hear()
		r.Reply()
	})
	s.states.Hear(s.session)
	return s
}

// stream opens the end-to-end stream (XEP-0247) on conn. Its header names both sides; one
// that does not match is what a server does that connects the wrong two.
func (o *Owner) stream(ctx context.Context, conn *xtls.Conn) (xmpp.Link, error) {
	link, err := stream.Client(ctx, conn, stream.Config{Local: conn.Local.Bare(), Remote: conn.Peer.Bare(), Strict: true})
	if err != nil {
		_ = conn.Fail()
		if errors.Is(err, io.ErrUnexpectedEOF) { // the device went without a reason, at a proof of ours that it has not judged
			err = fmt.Errorf("%w: %w", ErrPeerEnded, err)
		}
		return nil, fmt.Errorf("owner: opening the encrypted stream: %w", err)
	}
	return link, nil
}

// Close ends the session: stream, TLS, transport, Jingle.
func (s *Session) Close() {
	s.end()
	s.served.Wait()
}

// end is Close for who does not wait for it.
func (s *Session) end() { _ = s.session.Close() }

// Device returns the record of the device.
func (s *Session) Device() trust.Record { return s.device }

// Peer returns where the device is: its full JID on a server, its bare one on the LAN.
func (s *Session) Peer() jid.JID { return s.conn.Peer }

// Security describes the encryption, for people: protocol and cipher suite, and whether an earlier session was resumed.
func (s *Session) Security() string {
	c, ok := s.conn.Conn.(*tls.Conn)
	if !ok {
		return ""
	}
	state := c.ConnectionState()
	security := tls.VersionName(state.Version) + ", " + tls.CipherSuiteName(state.CipherSuite)
	if s.conn.Resumed {
		security += ", resumed"
	}
	return security
}

// Done is closed when the session has ended.
func (s *Session) Done() <-chan struct{} { return s.session.Done() }

// ended reports whether the session has ended.
func (s *Session) ended() bool {
	select {
	case <-s.Done():
		return true
	default:
		return false
	}
}

// hear notes a sign of life.
func (s *Session) hear() {
	now := time.Now() // monotonic: a clock that is set does not matter
	s.heard.Store(&now)
}

// lastHeard is when there was one.
func (s *Session) lastHeard() time.Time { return *s.heard.Load() }

// Commands lists what the device offers to this owner.
func (s *Session) Commands(ctx context.Context) ([]disco.Item, error) {
	return adhoc.List(ctx, s.session, s.session.RemoteAddr())
}

// Call runs a command of the device to its end; fill answers its forms. An error says that
// the command could not be run, or that its outcome is not known ([adhoc.ErrOutcomeUnknown]); what
// the command itself reports is in the result.
func (s *Session) Call(ctx context.Context, command string, fill func(*Form) (Values, error)) (control.Result, error) {
	res, err := adhoc.Execute(ctx, s.session, s.session.RemoteAddr(), command, fill)
	if err != nil {
		return control.Result{}, err
	}
	return control.ParseResult(res), nil
}

// CallOnce is Call for a call with an id. While the device answers nothing, or the session ends ([ErrOutcomeUnknown] without a
// [RequestError]), the same call may be repeated with its age, on this session or another, if the device Remembers: it is run once, and what
// came of it is answered each time.
func (s *Session) CallOnce(ctx context.Context, command string, fill func(*Form) (Values, error), call Call) (control.Result, error) {
	res, err := adhoc.ExecuteOnce(ctx, s.session, s.session.RemoteAddr(), command, fill, call)
	if err != nil {
		return control.Result{}, err
	}
	return control.ParseResult(res), nil
}

// Ping asks whether the device is still there.
func (s *Session) Ping(ctx context.Context) error { return s.session.Ping(ctx, jid.JID{}) }

// Remembers asks whether the device remembers calls that have an id.
func (s *Session) Remembers(ctx context.Context) (bool, error) {
	info, err := disco.Query(ctx, s.session, s.session.RemoteAddr(), "")
	return info.Has(adhoc.NSCall), err
}

// OpenDirect opens an encrypted session with the device at the other end of a direct link.
func (o *Owner) OpenDirect(ctx context.Context) (*Session, error) { return o.Open(ctx, jid.JID{}) }
