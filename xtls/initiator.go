package xtls

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
	"xtls-agent/xtls/jingle"
	"xtls-agent/xtls/jingle/ibb"
	"xtls-agent/xtls/tlssrp"
)

// OpenX509 opens a connection to peer by method x509, which alone it offers: a peer cannot
// steer it into asking for a PIN. The connection is not proven on the peer's side until the
// peer's stream header has arrived, since a TLS 1.3 client finishes first.
func (e *Endpoint) OpenX509(ctx context.Context, peer jid.JID) (*Conn, error) {
	return e.open(ctx, peer, X509, func(ctx context.Context, raw *stallConn, a *answer) (*Conn, error) {
		pin, err := e.announcedPin(peer, a.Security)
		if err != nil {
			return nil, err
		}
		check := x509Check{peer: peer, announced: pin, trust: e.cfg.Trust, resume: e.resume(peer, pin)}
		flights := newFlightConn(raw)
		c := tls.Client(flights, x509Config(e.cfg.Certificate, check))
		err = c.HandshakeContext(ctx)
		flights.handshakeDone(err)
		if err != nil {
			return nil, fmt.Errorf("xtls: x509 handshake: %w", err)
		}
		return &Conn{Conn: c, Pin: pin, Resumed: c.ConnectionState().DidResume}, nil
	})
}

// PIN is where an initiator's PIN comes from. The peer's answer decides which of the two is called, once.
type PIN struct {
	// Ask asks a person for the PIN that the peer shows. It may take its time: he types.
	Ask func(context.Context) (string, error)
	// Show makes a PIN and shows it to a person, who types it at the peer. It returns at once. Nil: nobody can be shown one,
	// and a peer that wants it so gets ErrCannotShow.
	Show func(context.Context) (string, error)
	// Typed is told when he has done so; may be nil.
	Typed func()
}

func (p PIN) typed() {
	if p.Typed != nil {
		p.Typed()
	}
}

// OpenSRP opens a connection to peer by method srp. The PIN is wanted once the peer has agreed to try.
func (e *Endpoint) OpenSRP(ctx context.Context, peer jid.JID, from PIN) (*Conn, error) {
	var pin string
	var shown, typed bool // the PIN was shown here; and then typed at the peer
	ready := func(ctx context.Context, a *answer) (err error) {
		switch {
		case !a.typed:
			pin, err = from.Ask(ctx)
		case from.Show == nil:
			err = fmt.Errorf("xtls: %w", ErrCannotShow)
		default:
			shown = true
			pin, err = from.Show(ctx)
		}
		return err
	}
	c, err := e.openAfter(ctx, peer, SRP, ready, func(ctx context.Context, raw *stallConn, a *answer) (*Conn, error) {
		if a.typed {
			raw.awaitAnswer(srpSetupTimeout, func() {
				typed = true
				from.typed()
			})
		}
		c, err := srpClient(ctx, raw, e.session.LocalAddr(), pin, e.cfg.Rand)
		if err != nil {
			return nil, err
		}
		return &Conn{Conn: c}, nil
	})
	switch {
	case shown && !typed && gaveUp(err):
		err = fmt.Errorf("xtls: %w: %w", ErrNotTyped, err)
	case shown && errors.Is(err, ErrWrongPIN):
		err = fmt.Errorf("xtls: %w", ErrMistyped)
	}
	return c, err
}

// gaveUp reports whether err is how a peer ends a handshake that it has not answered.
func gaveUp(err error) bool {
	var alert *tlssrp.RemoteAlertError
	return errors.Is(err, ErrPeerEnded) || errors.Is(err, ErrStalled) || errors.Is(err, ErrNotAuthentic) || errors.As(err, &alert)
}

// handshake runs TLS on the open transport.
type handshake func(ctx context.Context, raw *stallConn, a *answer) (*Conn, error)

// readiness is what has to be there between the peer's answer and the handshake.
type readiness func(ctx context.Context, a *answer) error

func (e *Endpoint) open(ctx context.Context, peer jid.JID, m Method, hs handshake) (*Conn, error) {
	return e.openAfter(ctx, peer, m, func(context.Context, *answer) error { return nil }, hs)
}

// openAfter is the initiator's straight line. Between the peer's agreement and the opening of the
// transport it calls ready.
func (e *Endpoint) openAfter(ctx context.Context, peer jid.JID, m Method, ready readiness, hs handshake) (*Conn, error) {
	tr := ibb.Transport{NS: ibb.NSTransport, SID: rand.Text(), BlockSize: BlockSize}
	js, err := e.jingle.Initiate(ctx, peer, e.offer(tr, m))
	if err != nil {
		return nil, ended(err, m)
	}
	c, err := e.openTransport(ctx, js, tr, m, ready, hs)
	if err != nil {
		js.Terminate(failure(err))
		if end := js.Err(); end != nil && errors.Is(err, errSessionEnded) {
			err = endedInTLS(end, m, err)
		}
		return nil, err
	}
	c.Method, c.Local, c.Peer, c.session = m, e.session.LocalAddr(), peer, js
	return e.attend(c, func() {}), nil
}

// errSessionEnded: the Jingle session ended under something; its reason says more.
var errSessionEnded = errors.New("xtls: the session ended")

// endedInTLS is [ended] for a session that ended during the handshake, which saw err. Who refuses a proof says so in TLS,
// by an alert; who gives up, on a line that stands still, just goes. A person must not take the one for the other.
func endedInTLS(end error, m Method, err error) error {
	told := ended(end, m)
	if transportClosed(err) && errors.Is(told, ErrNotAuthentic) {
		return fmt.Errorf("xtls: %w during the handshake", ErrPeerEnded)
	}
	return told
}

// failure is what a peer is told: <security-error/> and nothing more where security is at stake.
func failure(err error) jingle.Reason {
	var r *refusal
	if errors.As(err, &r) {
		return r.reason
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return jingle.Reason{Condition: jingle.Cancel}
	}
	return jingle.Reason{Condition: jingle.SecurityError}
}

func (e *Endpoint) offer(tr ibb.Transport, m Method) jingle.Content {
	return jingle.Content{
		Creator: "initiator", Name: contentName,
		Description: xmpp.NewElement(jingle.NSStream, "description"),
		Transport:   tr.Element(),
		Security:    security(&e.own, m).Element(),
	}
}

func (e *Endpoint) openTransport(ctx context.Context, js *jingle.Session, tr ibb.Transport, m Method, ready readiness, hs handshake) (*Conn, error) {
	live, stop := untilEnded(ctx, js, 0)
	defer stop()
	accepted, err := js.Accepted(ctx) // it knows the session's end by itself, and the reason
	if err != nil {
		return nil, ended(err, m)
	}
	a, tr, err := e.checkAnswer(accepted, tr, m)
	if err != nil {
		return nil, err
	}
	if err := ready(live, a); err != nil {
		return nil, &refusal{jingle.Reason{Condition: jingle.Cancel}, cause(live, err)}
	}
	// The choice, the transport and the first flight of TLS follow each other without waiting: the peer takes them in this order.
	opening, cancel := context.WithTimeoutCause(live, totalTimeout, ErrStalled)
	defer cancel()
	acknowledged, err := js.SendSecurityInfo(opening, security(nil, m))
	if err != nil {
		return nil, cause(opening, err)
	}
	raw, err := e.ibb.Open(opening, js.Peer(), tr.SID, tr.BlockSize)
	if err != nil {
		return nil, cause(opening, fmt.Errorf("xtls: opening the transport: %w", err))
	}
	return e.secure(ctx, js, raw, acknowledged, a, hs)
}

// secure runs the handshake, and ends it if the peer refuses the security-info that went before. A peer that ends the session
// says in TLS why, just before: that is still read.
func (e *Endpoint) secure(ctx context.Context, js *jingle.Session, raw *ibb.Conn, acknowledged func(context.Context) error, a *answer, hs handshake) (*Conn, error) {
	ctx, stop := untilEnded(ctx, js, lingerTimeout)
	defer stop()
	ctx, agreed, enough := unlessRefused(ctx, acknowledged)
	defer enough()
	watched, ctx, stopWatch := watch(ctx, raw, initiatorStallTimeout, heardOrNow(raw))
	defer stopWatch()
	c, err := hs(ctx, watched, a)
	if err == nil {
		err = agreed()
	}
	if err == nil {
		c.raw = raw
		return c, nil
	}
	err = withReason(js, err)
	_ = raw.Close()
	return nil, cause(ctx, err)
}

// transportClosed reports whether the peer has closed the transport, as reading or writing found.
func transportClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe)
}

// withReason waits a moment for the end of the session if err says that the peer has closed the transport: its reason follows.
func withReason(js *jingle.Session, err error) error {
	if !transportClosed(err) {
		return err
	}
	select {
	case <-js.Done():
		return fmt.Errorf("%w: %w", errSessionEnded, err)
	case <-time.After(lingerTimeout):
		return err
	}
}

// heardOrNow returns when the peer gave its last sign; until there was one, now: until then it is not TLS that is waited for, but what
// went before it, and that may take totalTimeout.
func heardOrNow(raw *ibb.Conn) func() time.Time {
	return func() time.Time {
		if at := raw.Heard(); !at.IsZero() {
			return at
		}
		return time.Now()
	}
}

// unlessRefused returns a context that ends when what was sent is refused. agreed waits for the answer and returns the refusal:
// without it a handshake that is quick enough would go on as if nothing had been refused. enough ends the wait.
func unlessRefused(ctx context.Context, acknowledged func(context.Context) error) (unless context.Context, agreed func() error, enough func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	var refused error
	answered := make(chan struct{})
	go func() { // ends with enough
		defer close(answered)
		if refused = acknowledged(ctx); refused != nil {
			cancel(refused)
		}
	}()
	return ctx, func() error { <-answered; return refused }, func() { cancel(nil); <-answered }
}

// untilEnded returns a context that ends with the Jingle session too, after a delay.
func untilEnded(ctx context.Context, js *jingle.Session, delay time.Duration) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() { // ends with stop
		select {
		case <-js.Done():
		case <-done:
			return
		}
		if delay > 0 {
			select {
			case <-time.After(delay):
			case <-done:
				return
			}
		}
		cancel(errSessionEnded)
	}()
	return ctx, func() { close(done); cancel(nil) }
}

// cause puts why ctx was cancelled in the place of an error that only says that it was.
func cause(ctx context.Context, err error) error {
	why := context.Cause(ctx)
	if why == nil || errors.Is(err, ErrWrongPIN) {
		return err
	}
	return why
}

// answer is what the peer's session-accept says of security. Nothing of it is proven.
type answer struct {
	*jingle.Security
	typed bool // the PIN is typed at the peer
}

// checkAnswer holds the session-accept against the offer. An accept without <security/> ends the session: there
// is nothing that this package could do without (jingle-xtls, Basic Protocol, initiator's rule 1).
func (e *Endpoint) checkAnswer(c *jingle.Content, offered ibb.Transport, m Method) (*answer, ibb.Transport, error) {
	if c.Security == nil {
		return nil, offered, fmt.Errorf("xtls: %w: its answer holds no <security/>", ErrNotAuthentic)
	}
	sec, err := jingle.ParseSecurity(c.Security)
	if err != nil {
		return nil, offered, err
	}
	tr, err := parseContent(*c)
	if err != nil {
		return nil, offered, err
	}
	if tr.SID != offered.SID || tr.NS != offered.NS || tr.BlockSize > offered.BlockSize {
		return nil, offered, errors.New("xtls: the peer answered with another transport than the offered one")
	}
	if !sec.Has(string(m)) {
		if m == X509 {
			return nil, offered, fmt.Errorf("xtls: %w", ErrNotKnown)
		}
		return nil, offered, fmt.Errorf("xtls: %w", ErrNotPairing)
	}
	return &answer{sec, c.Security.Child(nsPairing, typedHere) != nil}, tr, nil
}

// announcedPin returns the pin that a peer's announcement means. It is looked up when the
// handshake starts: trust may have been taken back since the offer.
func (e *Endpoint) announcedPin(peer jid.JID, sec *jingle.Security) (Fingerprint, error) {
	if sec.Fingerprint == nil {
		return Fingerprint{}, fmt.Errorf("xtls: %w: it announced no certificate", ErrNotAuthentic)
	}
	pin, ok := e.cfg.Trust.Find(peer.Bare(), sec.Fingerprint.Bytes())
	if !ok {
		return Fingerprint{}, fmt.Errorf("xtls: %w: it announced a certificate that is not pinned for %s", ErrNotAuthentic, peer.Bare())
	}
	return pin, nil
}
