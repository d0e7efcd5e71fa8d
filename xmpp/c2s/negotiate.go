package c2s

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/internal/account"
	"xtls-agent/xmpp/stream"
)

const (
	nsTLS     = "urn:ietf:params:xml:ns:xmpp-tls"
	nsSASL    = "urn:ietf:params:xml:ns:xmpp-sasl"
	nsBind    = "urn:ietf:params:xml:ns:xmpp-bind"
	nsSession = "urn:ietf:params:xml:ns:xmpp-session"
)

// ErrNoTLS is returned where the server does not encrypt.
var ErrNoTLS = errors.New("the server offers no TLS, so nothing is sent to it: switch TLS on at the server")

// negotiation takes a connection to a bound stream, step by step.
type negotiation struct {
	cfg     Config
	conn    net.Conn // innermost first; replaced by TLS
	raw     net.Conn // the TCP connection
	binding bool     // whether to try SCRAM with channel binding
	byKey   bool     // whether to log in by a token, if there is one
	claim   *claim   // a stream that is to be resumed; nil: a new one
	keys    *keyring

	framer   *stream.Framer
	tls      tls.ConnectionState
	features *xmpp.Element // as the server last sent them
	ns       string        // of the authentication: nsSASL2 or nsSASL
	success  *xmpp.Element // how it ended
	bound    *bound
}

// run is the whole of it: TLS, authentication, and then the former stream or a new one.
func (n *negotiation) run(ctx context.Context, direct bool) (*bound, error) {
	n.raw, n.bound = n.conn, &bound{}
	if !direct {
		if err := n.startTLS(ctx); err != nil {
			return nil, err
		}
	}
	if err := n.handshake(ctx, direct); err != nil {
		return nil, err
	}
	n.framer = stream.NewFramer(n.conn, n.cfg.Limits, 0)
	if err := n.logIn(ctx); err != nil {
		return nil, n.leave(err)
	}
	n.bound.features = n.features
	n.bound.wire = &wire{framer: n.framer, conn: n.raw}
	return n.bound, nil
}

// logIn is what is said within TLS.
func (n *negotiation) logIn(ctx context.Context) error {
	done, err := n.logInByToken(ctx)
	if err != nil {
		return err
	}
	if !done {
		tried := n.ns == nsSASL2 // a token, which was refused
		if err := n.authenticate(ctx); err != nil {
			if tried && ctx.Err() == nil && brokeOff(err) {
				return fmt.Errorf("%w: %w", errTokenFailed, err)
			}
			return err
		}
	}
	if n.ns == nsSASL { // RFC 6120 §6.4.6
		if err := n.framer.Restart(); err != nil {
			return unexpected("%w", err)
		}
		err = n.open(ctx)
	} else {
		err = n.afterSuccess(ctx)
	}
	if err != nil {
		return err
	}
	return n.settle(ctx)
}

// brokeOff reports whether the server ended the stream, rather than judge what was said to it.
func brokeOff(err error) bool {
	var judged *AuthError
	return !errors.As(err, &judged) && !isFinal(err) && !errors.Is(err, errUnproven)
}

// logInByToken opens the stream, and logs in by a token where there is one: for the former stream, or else for the account. The
// header and the first of them leave in one flight (XEP-0305), unless the server has not borne that.
func (n *negotiation) logInByToken(ctx context.Context) (done bool, err error) {
	logins := n.tokenLogins()
	if len(logins) == 0 {
		return false, n.open(ctx)
	}
	n.ns = nsSASL2
	if first := logins[0]; first.pipelined {
		err = n.open(ctx, first.element(n))
		n.keys.answered(err == nil)
	} else {
		err = n.open(ctx)
	}
	for i, t := range logins {
		if done || err != nil {
			break
		}
		t.pipelined = t.pipelined && i == 0
		done, err = n.tryToken(ctx, t)
	}
	return done, err
}

// tokenLogins are the ways to log in by a token, best first.
func (n *negotiation) tokenLogins() []*tokenLogin {
	var out []*tokenLogin
	if !n.byKey {
		return nil
	}
	if n.claim != nil {
		if t := n.claim.instant.login(n.tls); t != nil {
			out = append(out, t)
		}
	}
	if t := n.keys.login(n.tls); t != nil {
		out = append(out, t)
	}
	return out
}

// tryToken logs in by a token, if the server still offers what it offered when it gave it. It returns false where it does not, or refuses.
func (n *negotiation) tryToken(ctx context.Context, t *tokenLogin) (done bool, err error) {
	if !t.isOffered(n.offers()) {
		n.keys.refused(t.token) // it is for this mechanism alone
		n.cfg.Log.Warn("the server offers less than when it gave the token", "instant", t.instant != nil)
		if t.pipelined {
			n.framer.Abort(&stream.Error{Condition: stream.UndefinedCondition, Text: "a mechanism is gone", Sent: true})
			return false, t.failed(errChanged)
		}
		return false, nil
	}
	if done, err = n.byToken(ctx, t); err != nil && ctx.Err() == nil && !errors.Is(err, errUnproven) {
		return false, t.failed(err)
	}
	return done, err
}

// settle resumes the former stream, or else binds a resource and has the stream managed, as far as that has not come about with the
// authentication.
func (n *negotiation) settle(ctx context.Context) error {
	if err := n.reclaim(ctx); err != nil {
		return err
	}
	if v := n.bound.verdict; v != nil && v.resumed {
		return nil
	}
	if n.bound.isBound() {
		return nil
	}
	bound, err := n.bind(ctx)
	if err != nil {
		return err
	}
	n.boundTo(bound)
	return n.manage(ctx)
}

// boundTo notes the address that the server bound.
func (n *negotiation) boundTo(address jid.JID) {
	n.bound.local = address
	if !address.Bare().Equal(n.cfg.JID) {
		n.cfg.Log.Warn("the server calls this account by another name", "jid", n.cfg.JID.String(), "bound", address.String())
	}
}

// within bounds a step.
func (n *negotiation) within(ctx context.Context, what string, step func() error) error {
	if err := n.framer.Within(ctx, n.cfg.StepTimeout, step); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// open exchanges headers and reads the server's features. What is in extra follows our header in the same write.
func (n *negotiation) open(ctx context.Context, extra ...*xmpp.Element) error {
	return n.within(ctx, "opening the stream", func() error {
		domain := n.cfg.JID.Domain()
		header := stream.Header{To: domain, Version: "1.0"}
		if n.tls.HandshakeComplete {
			header.From = n.cfg.JID // RFC 6120 §4.7.1: not before it is private
		}
		if err := n.framer.WriteHeader(header, extra...); err != nil {
			return err
		}
		answer, err := n.framer.ReadHeader()
		if err != nil {
			return err
		}
		if !answer.From.Equal(jid.JID{}) && !answer.From.Equal(domain) {
			return &stream.HeaderError{Attr: "from", Got: answer.From.String(), Want: domain.String()}
		}
		return n.readFeatures()
	})
}

func (n *negotiation) readFeatures() error {
	el, err := n.framer.ReadElement()
	if err != nil {
		return err
	}
	if !el.Is(xmpp.NSStream, "features") {
		return unexpected("got <%.40s/> for features", el.Name.Local)
	}
	n.features = el
	return nil
}

// startTLS asks for TLS. It reads no byte more than the server's consent: what is there after it was not encrypted, and
// somebody else may have written it (RFC 6120 §5.4.3.3).
func (n *negotiation) startTLS(ctx context.Context) error {
	n.framer = stream.NewFramer(n.conn, n.cfg.Limits, 0)
	if err := n.open(ctx); err != nil {
		return err
	}
	if n.features.Child(nsTLS, "starttls") == nil {
		return ErrNoTLS
	}
	return n.within(ctx, "asking for TLS", func() error {
		if err := n.framer.WriteElement(xmpp.NewElement(nsTLS, "starttls")); err != nil {
			return err
		}
		answer, err := n.framer.ReadElement()
		if err != nil {
			return err
		}
		if !answer.Is(nsTLS, "proceed") {
			return ErrNoTLS
		}
		if extra := n.framer.Buffered(); extra > 0 {
			return fmt.Errorf("%d bytes before TLS that the server cannot have meant: somebody may be interfering", extra)
		}
		return nil
	})
}

// handshake encrypts the connection, and holds the certificate to the account's domain whatever the server is called.
func (n *negotiation) handshake(ctx context.Context, direct bool) error {
	server, err := n.cfg.server()
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, n.cfg.StepTimeout)
	defer cancel()
	config := server.TLS(direct)
	config.ClientSessionCache = n.cfg.TLSSessions
	conn := tls.Client(n.conn, config)
	if err := conn.HandshakeContext(limited); err != nil {
		return handshakeError(ctx, server, err)
	}
	n.conn, n.tls = conn, conn.ConnectionState()
	return nil
}

func handshakeError(ctx context.Context, server account.Server, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if bad := server.CertificateError(err); bad != nil {
		return bad
	}
	return fmt.Errorf("TLS: %w", err)
}

// bind asks for a resource (RFC 6120 §7).
func (n *negotiation) bind(ctx context.Context) (jid.JID, error) {
	var bound jid.JID
	err := n.within(ctx, "binding a resource", func() error {
		resource := xmpp.NewText(nsBind, "resource", randomResource())
		answer, err := n.ask(xmpp.NewElement(nsBind, "bind", resource))
		if err != nil {
			return err
		}
		bound, err = jid.Parse(answer.Child(nsBind, "bind").Child(nsBind, "jid").Text())
		if err != nil || bound.Resourcepart() == "" || bound.Localpart() == "" {
			return unexpected("the server bound no full address (%v)", err)
		}
		// RFC 3921 wanted a session; who still does says so by leaving out <optional/>.
		if s := n.features.Child(nsSession, "session"); s != nil && s.Child(nsSession, "optional") == nil {
			_, err = n.ask(xmpp.NewElement(nsSession, "session"))
		}
		return err
	})
	return bound, err
}

// ask sends an IQ to the server and returns the answer, while nobody else reads.
func (n *negotiation) ask(payload *xmpp.Element) (*xmpp.Stanza, error) {
	request := &xmpp.Stanza{Kind: xmpp.IQ, Type: xmpp.Set, ID: rand.Text(), Payload: []*xmpp.Element{payload}}
	if err := n.framer.WriteElement(request.Element()); err != nil {
		return nil, err
	}
	el, err := n.framer.ReadElement()
	if err != nil {
		return nil, err
	}
	answer, err := xmpp.ParseStanza(el)
	if err != nil {
		return nil, unexpected("%w", err)
	}
	if !answer.IsResponse() || answer.ID != request.ID {
		return nil, unexpected("got <%.40s/> for an answer", el.Name.Local)
	}
	return answer, answer.Err()
}
