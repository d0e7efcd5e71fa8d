package xtls

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"sync"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
	"xtls-agent/xtls/jingle"
	"xtls-agent/xtls/jingle/ibb"
)

// BlockSize is the size of IBB blocks that is offered (XEP-0261), in bytes.
const BlockSize = 4096

// Places. A stranger who is waited for has one session and one bytestream; for each there is room for one that
// just ends and one that just begins. What is left is for owners.
const (
	maxStreams       = 2*maxStrangers + 64
	maxGuestSessions = 3 * maxStrangers
	maxSessions      = maxGuestSessions + 64
)

// Config says who this side is and whom it trusts.
type Config struct {
	Certificate tls.Certificate // own; its leaf's fingerprint is announced
	Trust       Trust
	Tickets     *Tickets // of sessions of method x509 that may be resumed, in either role; nil: none
	// Gate lets peers try a PIN; nil: nobody. Only responders have one.
	Gate Gate
	// Serve gets each connection that a peer opened and proved itself on, in a goroutine of its own; the connection is
	// closed when Serve returns. Nil: this side is never a responder.
	Serve func(context.Context, *Conn)
	Rand  io.Reader    // nil: crypto/rand
	Log   *slog.Logger // nil: silence
}

// Endpoint is XTLS on one XMPP session, to a server or over the LAN.
type Endpoint struct {
	cfg     Config
	own     Fingerprint
	session *xmpp.Session
	jingle  *jingle.Manager
	ibb     *ibb.Manager
	waiting strangers

	mu      sync.Mutex // guards closed, against running
	closed  bool
	closing chan struct{}  // closed by Close
	running sync.WaitGroup // of responder's sessions, and of those who attend to connections
}

// New mounts XTLS, with Jingle and in-band bytestreams, on s, which is not served yet.
func New(s *xmpp.Session, cfg Config) *Endpoint {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	e := &Endpoint{cfg: cfg, own: fingerprint(cfg.Certificate), session: s, closing: make(chan struct{})}
	e.ibb = ibb.NewManager(s, ibb.Config{MaxStreams: maxStreams})
	jcfg := jingle.Config{
		Allow: e.leave, MaxSessions: maxSessions, MaxGuestSessions: maxGuestSessions,
		Log: cfg.Log, DecideTimeout: totalTimeout,
	}
	if cfg.Serve != nil {
		jcfg.Incoming = e.incoming
	}
	e.jingle = jingle.NewManager(s, jcfg)
	return e
}

// Close ends all connections and waits for those who serve them.
func (e *Endpoint) Close() {
	e.mu.Lock()
	if !e.closed {
		e.closed = true
		close(e.closing)
	}
	e.mu.Unlock()
	e.jingle.Close()
	e.ibb.Close()
	e.running.Wait()
}

// run starts f unless the endpoint is closed. Close waits for it.
func (e *Endpoint) run(f func()) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return false
	}
	e.running.Go(f)
	return true
}

// Features are what service discovery must announce (jingle-xtls, Determining Support).
func Features() []string {
	return []string{
		jingle.NS, jingle.NS0, jingle.NSStream, jingle.NSSecurity,
		ibb.NSTransport, ibb.NSTransport0, ibb.NS,
	}
}

// leave: to a peer that may do nothing here, this side does not know Jingle; who may try a PIN is a guest.
func (e *Endpoint) leave(peer jid.JID) jingle.Leave {
	switch {
	case e.cfg.Trust.Known(peer.Bare()):
		return jingle.Friend
	case e.cfg.Gate != nil && !errors.Is(admission(e.cfg.Gate.MayTry(peer)), ErrRefused):
		return jingle.Guest
	}
	return jingle.Nobody
}

// admission reduces an error of the gate to what the peer may know.
func admission(err error) error {
	for _, known := range []error{ErrNotPairing, ErrLocked, ErrTooMany} {
		if errors.Is(err, known) {
			return known
		}
	}
	if err != nil {
		return ErrRefused
	}
	return nil
}
