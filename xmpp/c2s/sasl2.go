package c2s

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
)

const (
	nsSASL2 = "urn:xmpp:sasl:2" // XEP-0388
	nsBind2 = "urn:xmpp:bind:0" // XEP-0386
	nsFAST  = "urn:xmpp:fast:0" // XEP-0484
)

var (
	// errTokenFailed: logging in by a token came to nothing, and the password is to be tried on a new connection.
	errTokenFailed = errors.New("the server did not take the token")
	// errInstantFailed: resuming by the stream's token came to nothing, and the account's is to be tried on a new connection.
	errInstantFailed = errors.New("the server did not take the stream's token")
	// errChanged: the server does not offer any more what it offered when it gave the token.
	errChanged = errors.New("it does not offer that any more")
)

// inline is what the server takes together with an authentication.
type inline struct {
	Bind   bool `json:"bind,omitempty"`   // binding a resource
	Enable bool `json:"enable,omitempty"` // and managing the new stream
	Resume bool `json:"resume,omitempty"` // resuming a former stream

	Instant string `json:"instant,omitempty"` // the mechanism for which there are tokens that resume a stream (XEP-0397)
}

// offers are what the features say about authentication in the extended way.
type offers struct {
	mechanisms []string
	fast       []string
	instant    []string
	inline     inline
}

// offers are those of the features that the server last sent, on this connection.
func (n *negotiation) offers() offers {
	o := parseOffers(n.features)
	o.inline.Instant = bestOf(o.instant, n.tls)
	return o
}

func parseOffers(features *xmpp.Element) offers {
	auth := features.Child(nsSASL2, "authentication")
	within := auth.Child(nsSASL2, "inline")
	o := offers{
		mechanisms: texts(auth, nsSASL2, "mechanism"),
		fast:       texts(within.Child(nsFAST, "fast"), nsFAST, "mechanism"),
		instant:    texts(features.Child(nsISR, "isr").Child(nsSASL, "mechanisms"), nsSASL, "mechanism"),
	}
	bind := within.Child(nsBind2, "bind")
	o.inline.Bind = bind != nil
	o.inline.Resume = within.Child(nsSM, "sm") != nil
	for _, f := range bind.Child(nsBind2, "inline").ChildrenNamed(nsBind2, "feature") {
		o.inline.Enable = o.inline.Enable || f.Attr("var") == nsSM
	}
	return o
}

func texts(el *xmpp.Element, space, local string) []string {
	var out []string
	for _, c := range el.ChildrenNamed(space, local) {
		out = append(out, c.Text())
	}
	return out
}

// tokenLogin is a login by a token.
type tokenLogin struct {
	proof
	mechanism string
	inline    inline
	instant   *instant // the token is for a stream (XEP-0397); nil: for the account
	pipelined bool     // together with the header, before the server has said what it offers
}

// failed is why a login by the token came to nothing, other than by the server's judgement.
func (t *tokenLogin) failed(err error) error {
	if t.instant != nil {
		return fmt.Errorf("%w: %w", errInstantFailed, err)
	}
	return fmt.Errorf("%w: %w", errTokenFailed, err)
}

// element is the whole of it. A token for a stream may leave once.
func (t *tokenLogin) element(n *negotiation) *xmpp.Element {
	message := t.message(n.cfg.JID.Localpart())
	if t.instant != nil {
		t.instant.used = true
		return n.authenticateElement(t.mechanism, message, t.inline, xmpp.NewElement(nsISR, "inst-resume", n.claim.element()))
	}
	return n.authenticateElement(t.mechanism, message, t.inline, n.resumption(t.inline)).Add(xmpp.NewElement(nsFAST, "fast"))
}

// isOffered reports whether the server still takes the token for its mechanism.
func (t *tokenLogin) isOffered(o offers) bool {
	if t.instant != nil {
		return slices.Contains(o.instant, t.mechanism)
	}
	return slices.Contains(o.fast, t.mechanism)
}

// authenticateElement is an <authenticate/> with all that the server takes with it, among it what resumes the former stream.
func (n *negotiation) authenticateElement(mechanism string, first []byte, in inline, resumption *xmpp.Element) *xmpp.Element {
	agent := xmpp.NewElement(nsSASL2, "user-agent", xmpp.NewText(nsSASL2, "software", "xtls-agent")).With("id", n.keys.agent())
	el := xmpp.NewElement(nsSASL2, "authenticate",
		xmpp.NewText(nsSASL2, "initial-response", base64.StdEncoding.EncodeToString(first)), agent).With("mechanism", mechanism)
	if n.claim != nil && resumption == nil {
		return el // what is bound cannot be resumed any more: both come later
	}
	el.Add(resumption)
	if in.Bind && in.Enable { // else both come later, step by step: what is bound without is never managed
		el.Add(xmpp.NewElement(nsBind2, "bind", xmpp.NewText(nsBind2, "tag", randomResource()), enableElement(in.Instant)))
	}
	return el
}

// randomResource is new at each bind, so that a client that is still there under an old one is never thrown out, nor throws us out.
func randomResource() string { return "xtls-" + strings.ToLower(rand.Text()[:12]) }

// byToken logs in by the token. It returns false if the server refused it in good form: then the password may be tried on this stream.
// Whatever the server answers, it must prove that it has the token, too.
func (n *negotiation) byToken(ctx context.Context, t *tokenLogin) (done bool, err error) {
	err = n.within(ctx, "logging in with "+t.mechanism, func() error {
		if !t.pipelined {
			if err := n.framer.WriteElement(t.element(n)); err != nil {
				return err
			}
		}
		answer, err := n.saslAnswer("success")
		if err != nil {
			return err
		}
		if !t.isProven(answer) {
			return errUnproven
		}
		if t.instant == nil {
			n.keys.worked()
		}
		n.cfg.Log.Debug("logged in", "mechanism", t.mechanism, "instant", t.instant != nil)
		return n.succeeded(n.success, t.mechanism, t.inline)
	})
	var refused *AuthError
	if errors.As(err, &refused) {
		n.cfg.Log.Info("the server refused the token", "instant", t.instant != nil, "condition", refused.Condition)
		n.keys.refused(t.token)
		return false, nil
	}
	return err == nil, err
}

// succeeded takes what a <success/> says beside the proof, which has been checked: about the former stream, the new one, and the next
// token, which is for mechanism.
func (n *negotiation) succeeded(success *xmpp.Element, mechanism string, in inline) error {
	if token := success.Child(nsFAST, "token"); token != nil {
		n.keys.keep(token, mechanism, in)
	}
	address, err := jid.Parse(success.Child(nsSASL2, "authorization-identifier").Text())
	if err != nil || address.Localpart() == "" {
		return unexpected("the server does not say whom it has authenticated")
	}
	if n.claim != nil {
		if err := n.judged(success); err != nil || n.bound.verdict != nil && n.bound.verdict.resumed {
			return err
		}
	}
	bound := success.Child(nsBind2, "bound")
	if bound == nil {
		return nil
	}
	if address.Resourcepart() == "" {
		return unexpected("the server bound no full address")
	}
	n.boundTo(address)
	for _, c := range bound.Children() {
		if c.Is(nsSM, "enabled") || c.Is(nsSM, "failed") {
			n.enabled(c, in)
		}
	}
	return nil
}

// afterSuccess reads the features of the authenticated stream, where they are needed to go on (XEP-0388 §2.6.1). Else they are
// left to who reads stanzas: what was resumed or bound may come before them.
func (n *negotiation) afterSuccess(ctx context.Context) error {
	if v := n.bound.verdict; v != nil && v.resumed || n.bound.isBound() {
		return nil
	}
	return n.within(ctx, "reading features", n.readFeatures)
}
