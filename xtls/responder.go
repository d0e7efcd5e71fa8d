package xtls

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"xtls-agent/xmpp"
	"xtls-agent/xtls/jingle"
	"xtls-agent/xtls/jingle/ibb"
)

// incoming takes a session that a peer offers. It runs on the link's read goroutine.
func (e *Endpoint) incoming(js *jingle.Session) {
	if !e.run(func() { e.answer(js) }) {
		js.Terminate(jingle.Reason{Condition: jingle.Gone})
	}
}

// answer answers an offer and, if that leads to a connection, has it served.
func (e *Endpoint) answer(js *jingle.Session) {
	setup, stop := untilEnded(context.Background(), js, 0)
	defer stop()
	c, err := e.respond(setup, js)
	if err != nil {
		e.cfg.Log.Info("xtls: session refused or failed", "peer", js.Peer().String(), "err", err)
		return
	}
	ctx, gone := context.WithCancel(context.Background())
	defer gone()
	e.attend(c, gone)
	defer c.Close()
	if c.Attempt != nil {
		defer c.Attempt.End()
	}
	e.cfg.Log.Info("xtls: session open", "peer", js.Peer().String(), "method", string(c.Method), "resumed", c.Resumed)
	e.cfg.Serve(ctx, c)
}

// responding is one session of the responder's while it is being set up.
type responding struct {
	e         *Endpoint
	js        *jingle.Session
	content   jingle.Content
	transport ibb.Transport
	methods   []Method    // what this peer gets, in this session
	pin       Fingerprint // of the certificate that it announced; with X509 among methods
	chosen    *choice
	leave     func()     // gives up the place of [responding.wait]
	limits    *stallConn // of the handshake, once it runs
}

// respond is the responder's straight line, from the offer to the proof.
func (e *Endpoint) respond(ctx context.Context, js *jingle.Session) (*Conn, error) {
	r := &responding{e: e, js: js, chosen: newChoice()}
	if err := r.judge(); err != nil {
		js.Terminate(failure(err))
		return nil, err
	}
	c, err := r.accept(ctx)
	if err != nil {
		js.Terminate(failure(err))
		err = cause(ctx, err)
		if errors.Is(err, errSessionEnded) { // by the peer, or because it vanished
			err = fmt.Errorf("%w: %w", err, js.Err())
		}
		return nil, err
	}
	c.Local, c.Peer, c.session = js.Local(), js.Peer(), js
	return c, nil
}

// refusal is an error with the reason that the peer hears.
type refusal struct {
	reason jingle.Reason
	err    error
}

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

// judge decides from the offer alone which methods the peer gets.
func (r *responding) judge() error {
	offers := r.js.Offer()
	if len(offers) != 1 {
		return &refusal{jingle.Reason{Condition: jingle.UnsupportedApplication}, errors.New("xtls: not exactly one content")}
	}
	r.content = offers[0]
	tr, err := parseContent(r.content)
	var unsupported *unsupportedError
	if errors.As(err, &unsupported) {
		return &refusal{jingle.Reason{Condition: unsupported.condition}, err}
	}
	r.transport = tr
	if r.content.Security == nil {
		return errors.New("xtls: offer without <security/>")
	}
	sec, err := jingle.ParseSecurity(r.content.Security)
	if err != nil {
		return err
	}
	return r.grant(sec)
}

// grant chooses among the offered methods: x509 if the announced certificate is trusted for
// the peer's bare JID, srp if a window is open to this peer.
func (r *responding) grant(sec *jingle.Security) error {
	why := ErrNotKnown
	if sec.Has(string(X509)) && sec.Fingerprint != nil {
		if pin, ok := r.e.cfg.Trust.Find(r.js.Peer().Bare(), sec.Fingerprint.Bytes()); ok {
			r.pin = pin
			r.methods = append(r.methods, X509)
		}
	}
	if sec.Has(string(SRP)) {
		why = ErrRefused
		if r.e.cfg.Gate != nil {
			why = admission(r.e.cfg.Gate.Admit(r.js.Peer()))
		}
		if why == nil {
			r.methods = append(r.methods, SRP)
		}
	}
	if len(r.methods) == 0 {
		return &refusal{decline(why), fmt.Errorf("xtls: declined: %w", why)}
	}
	return nil
}

// How long the initiator may take from the answer to the first bytes of TLS. With srp a person
// types in between, at most while the window is open.
const (
	x509SetupTimeout = time.Minute
	srpSetupTimeout  = 15 * time.Minute
)

// accept answers the offer, waits for the peer's choice and the transport, and runs the handshake.
func (r *responding) accept(ctx context.Context) (*Conn, error) {
	r.transport.BlockSize = min(r.transport.BlockSize, BlockSize)
	r.js.OnSecurityInfo(r.securityInfo)
	setup, cancel := context.WithTimeoutCause(ctx, r.setupTimeout(), ErrStalled)
	defer cancel()
	r.leave = r.wait()
	defer r.leave()
	raw, err := r.openTransport(setup)
	if err != nil {
		return nil, cause(setup, err)
	}
	c, err := r.secure(ctx, setup, raw)
	if err != nil {
		_ = raw.Close() // what TLS had to say leaves first
		return nil, err
	}
	c.raw = raw
	return c, nil
}

func (r *responding) setupTimeout() time.Duration {
	if r.grants(SRP) {
		return srpSetupTimeout
	}
	return x509SetupTimeout
}

// openTransport sends session-accept and waits for <open/>, which the transport of 2009 does not
// have. The stream is expected before the answer leaves.
func (r *responding) openTransport(ctx context.Context) (*ibb.Conn, error) {
	if r.transport.NS == ibb.NSTransport0 {
		raw, err := r.e.ibb.Attach(r.js.Peer(), r.transport.SID, r.transport.BlockSize)
		if err != nil {
			return nil, fmt.Errorf("xtls: attaching the transport: %w", err)
		}
		if err := r.js.Accept(ctx, r.answer()); err != nil {
			raw.Abort(err)
			return nil, err
		}
		return raw, nil
	}
	pending, err := r.e.ibb.Expect(r.js.Peer(), r.transport.SID, r.transport.BlockSize)
	if err != nil {
		return nil, fmt.Errorf("xtls: expecting the transport: %w", err)
	}
	defer pending.Cancel()
	if err := r.js.Accept(ctx, r.answer()); err != nil {
		return nil, err
	}
	raw, err := pending.Accept(ctx)
	if err != nil {
		return nil, fmt.Errorf("xtls: waiting for the transport: %w", err)
	}
	r.chosen.close()
	return raw, nil
}

// answer is the content of session-accept. The fingerprint is there only if this side will be able to
// verify the initiator's certificate (jingle-xtls, Basic Protocol, rules 3 and 4).
func (r *responding) answer() jingle.Content {
	var own *Fingerprint
	if r.methods[0] == X509 {
		own = &r.e.own
	}
	c := r.content
	c.Transport = r.transport.Element()
	c.Security = security(own, r.methods...).Element()
	if r.grants(SRP) && r.e.cfg.Gate.Typed() {
		c.Security.Add(xmpp.NewElement(nsPairing, typedHere))
	}
	return c
}

// securityInfo takes the initiator's choice. A second one, one that comes too late, or one that
// was not offered in this session, ends it.
func (r *responding) securityInfo(c jingle.Content) {
	sec, err := jingle.ParseSecurity(c.Security)
	if err != nil || len(sec.Methods) != 1 || !r.grants(Method(sec.Methods[0])) || !r.chosen.set(Method(sec.Methods[0])) {
		r.e.cfg.Log.Warn("xtls: bad security-info", "peer", r.js.Peer().String())
		r.chosen.refuse() // TLS could be quicker than the end of the session
		r.js.Terminate(jingle.Reason{Condition: jingle.SecurityError})
	}
}

func (r *responding) grants(m Method) bool {
	for _, granted := range r.methods {
		if granted == m {
			return true
		}
	}
	return false
}

// wait takes a place among those who may be waited for, where the peer has nothing to show yet but its
// wish to try a PIN. Whoever is in the way hears that it was too many.
func (r *responding) wait() (leave func()) {
	if r.grants(X509) {
		return func() {}
	}
	w := &waiting{peer: r.js.Peer().Bare(), end: func() { r.js.Terminate(decline(ErrTooMany)) }}
	r.e.waiting.enter(w)
	return func() { r.e.waiting.leave(w) }
}

// secure waits for the first byte, within setup, and runs TLS as the server, by the method that
// the initiator has chosen.
func (r *responding) secure(ctx, setup context.Context, raw *ibb.Conn) (*Conn, error) {
	first, err := r.firstByte(setup, raw)
	if err != nil {
		return nil, cause(setup, err)
	}
	watched, ctx, stopWatch := watch(ctx, first, stallTimeout, raw.Heard)
	defer stopWatch()
	r.limits = watched
	c, err := r.handshake(ctx, watched, raw)
	if err != nil {
		return nil, cause(ctx, withReason(r.js, err))
	}
	return c, nil
}

// firstByte waits for the transport's first byte, and returns a conn on which it is still to be read. From there
// on the handshake is timed: before, a person may be typing.
func (r *responding) firstByte(setup context.Context, raw *ibb.Conn) (net.Conn, error) {
	stop := context.AfterFunc(setup, func() { raw.Abort(context.Cause(setup)) })
	first := make([]byte, 1)
	_, err := io.ReadFull(raw, first)
	if !stop() && err == nil {
		err = context.Cause(setup)
	}
	return &prefixConn{Conn: raw, prefix: bytes.NewReader(first)}, err
}

// handshake reads the ClientHello and goes on by the method chosen.
func (r *responding) handshake(ctx context.Context, conn net.Conn, raw *ibb.Conn) (*Conn, error) {
	stop := context.AfterFunc(ctx, func() { raw.Abort(context.Cause(ctx)) })
	hello, conn, err := sniff(conn)
	stop()
	if err != nil {
		return nil, err
	}
	method, err := r.method(hello)
	if err != nil {
		return nil, err
	}
	var c *Conn
	if method == X509 {
		c, err = r.x509(ctx, conn)
	} else {
		c, err = r.srp(ctx, conn)
	}
	if err != nil {
		return nil, err
	}
	c.Method = method
	return c, nil
}

// method returns the one that security-info named; if there was none, the only one that this
// session has; else the one that the ClientHello means.
func (r *responding) method(hello []byte) (Method, error) {
	r.chosen.close() // the transport of 2009 opens with its first bytes
	switch m, err := r.chosen.get(); {
	case err != nil:
		return "", err
	case m != "":
		return m, nil
	case len(r.methods) == 1:
		return r.methods[0], nil
	}
	return methodOfHello(hello)
}

func (r *responding) x509(ctx context.Context, conn net.Conn) (*Conn, error) {
	check := x509Check{peer: r.js.Peer(), announced: r.pin, trust: r.e.cfg.Trust, resume: r.e.resume(r.js.Peer(), r.pin)}
	flights := newTicketConn(conn)
	if check.resume != nil {
		check.resume.given = flights.hold
	}
	c := tls.Server(flights, x509Config(r.e.cfg.Certificate, check))
	err := c.HandshakeContext(ctx)
	flights.handshakeDone(err)
	if err != nil {
		return nil, fmt.Errorf("xtls: x509 handshake: %w", err)
	}
	return &Conn{Conn: c, Pin: r.pin, Resumed: c.ConnectionState().DidResume}, nil
}

func (r *responding) srp(ctx context.Context, conn net.Conn) (*Conn, error) {
	attempt, err := r.e.cfg.Gate.Start(r.js.Peer())
	if err != nil { // the window closed, or filled up, while a person typed
		return nil, &refusal{decline(admission(err)), err}
	}
	password := func(ctx context.Context) (string, error) { return r.password(ctx, attempt) }
	c, err := srpServer(ctx, conn, r.js.Peer(), attempt, password, r.e.cfg.Rand)
	if err != nil {
		attempt.End()
		return nil, err
	}
	return &Conn{Conn: c, Attempt: attempt}, nil
}

// password returns the PIN of an attempt. While a person types it at this side, the peer is still one of those who are waited for,
// and none of the limits of a handshake runs.
func (r *responding) password(ctx context.Context, a Attempt) (pin string, err error) {
	defer r.leave()
	if !r.e.cfg.Gate.Typed() {
		return a.Password(ctx)
	}
	r.limits.suspend(srpSetupTimeout)
	defer r.limits.resume()
	return a.Password(ctx)
}

// choice is the method that security-info named: at most one, before the transport opens.
type choice struct {
	mu      sync.Mutex // guards all below
	method  Method
	closed  bool
	refused bool // a choice was made that cannot be
}

var errBadChoice = errors.New("xtls: the peer's choice of a method was refused")

func newChoice() *choice { return new(choice) }

func (c *choice) set(m Method) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.method != "" {
		return false
	}
	c.method = m
	return true
}

// get returns the method, "" if none was named.
func (c *choice) get() (Method, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused {
		return "", errBadChoice
	}
	return c.method, nil
}

func (c *choice) refuse() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused = true
}

func (c *choice) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
}
