package c2s

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mellium.im/sasl"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/internal/account"
)

// nsChannelBinding lists the channel bindings that the server can do (XEP-0440).
const nsChannelBinding = "urn:xmpp:sasl-cb:0"

// ErrNoMechanism is returned where the server wants the password itself.
var ErrNoMechanism = errors.New("the server offers no SCRAM login, and the password is not sent to anybody: " +
	"switch on SCRAM-SHA-256 at the server")

var (
	errPassword = errors.New("the account's password cannot be had")
	// errBindingRefused: the server ended the stream rather than let us try without channel binding.
	errBindingRefused = errors.New("the server refused channel binding")
	errSecondFactor   = errors.New("the server wants more than the password: a device has no second factor")
	errUnproven       = unexpected("the server did not prove that it knows the account: somebody may be interfering")
)

// AuthError is a failure of authentication (RFC 6120 §6.5). It is an [xmpp.ErrNotAuthorized] where the server refused
// the account or its password, as opposed to a trouble of its own.
type AuthError struct {
	Condition string // a defined condition, such as not-authorized
	Text      string // for people; may be empty
}

func (e *AuthError) Error() string {
	msg := fmt.Sprintf("authentication failed: %.60s", e.Condition)
	if errors.Is(e, xmpp.ErrNotAuthorized) {
		msg = fmt.Sprintf("%v (%.60s)", xmpp.ErrNotAuthorized, e.Condition)
	}
	if e.Text != "" {
		msg = fmt.Sprintf("%s: %.200q", msg, e.Text)
	}
	return msg
}

// Is sorts the conditions of RFC 6120 §6.5.
func (e *AuthError) Is(target error) bool {
	if target != xmpp.ErrNotAuthorized {
		return false
	}
	switch e.Condition {
	case "not-authorized", "account-disabled", "credentials-expired", "invalid-authzid":
		return true
	}
	return false
}

// mechanisms returns what to try of what is offered, best first. SCRAM-SHA-256-PLUS binds the login to this TLS connection by tls-exporter
// (RFC 9266), which TLS 1.3 alone has here; tls-unique is not used.
func (n *negotiation) mechanisms(offered []string) []sasl.Mechanism {
	var out []sasl.Mechanism
	for _, m := range []sasl.Mechanism{sasl.ScramSha256Plus, sasl.ScramSha256, sasl.ScramSha1} {
		if m.Name == sasl.ScramSha256Plus.Name && !n.canBind() {
			continue
		}
		if slices.Contains(offered, m.Name) {
			out = append(out, m)
		}
	}
	return out
}

func (n *negotiation) canBind() bool {
	if !n.binding || n.tls.Version < tls.VersionTLS13 {
		return false
	}
	listed := n.features.Child(nsChannelBinding, "sasl-channel-binding")
	if listed == nil {
		return true // an older server does not say
	}
	for _, b := range listed.ChildrenNamed(nsChannelBinding, "channel-binding") {
		if b.Attr("type") == "tls-exporter" {
			return true
		}
	}
	return false
}

// authenticate proves the password to the server, and has the server prove it back. Where channel binding
// fails, the login goes on without: a wrong password fails both times.
func (n *negotiation) authenticate(ctx context.Context) error {
	offers := n.offers()
	mechanisms := n.mechanisms(offers.mechanisms)
	if n.ns = nsSASL2; len(mechanisms) == 0 {
		n.ns = nsSASL
		mechanisms = n.mechanisms(texts(n.features.Child(nsSASL, "mechanisms"), nsSASL, "mechanism"))
	}
	if len(mechanisms) == 0 {
		return ErrNoMechanism
	}
	password, err := n.cfg.Password()
	if err != nil {
		return fmt.Errorf("%w: %w", errPassword, err)
	}
	first := mechanisms[0]
	err = n.scram(ctx, first, password)
	if first.Name != sasl.ScramSha256Plus.Name || !errors.Is(err, xmpp.ErrNotAuthorized) || len(mechanisms) == 1 {
		return err
	}
	n.cfg.Log.Debug("login with channel binding failed; trying without", "err", err)
	err = n.scram(ctx, mechanisms[1], password)
	if err != nil && ctx.Err() == nil && brokeOff(err) {
		return errBindingRefused
	}
	return err
}

// scram runs one SCRAM exchange (RFC 5802) in the form of XEP-0388 or of RFC 6120 §6.4.
func (n *negotiation) scram(ctx context.Context, m sasl.Mechanism, password string) error {
	prepared := []byte(account.Prepare(password))
	client := sasl.NewClient(m,
		sasl.Credentials(func() (user, pass, identity []byte) { return []byte(n.cfg.JID.Localpart()), prepared, nil }),
		sasl.TLSState(n.tls), sasl.RemoteMechanisms(m.Name))
	return n.within(ctx, "logging in with "+m.Name, func() error {
		_, first, err := client.Step(nil)
		if err != nil {
			return err
		}
		auth, token := n.authElement(m.Name, first)
		if err := n.framer.WriteElement(auth); err != nil {
			return err
		}
		challenge, err := n.saslAnswer("challenge")
		if err != nil {
			return err
		}
		if err := account.CheckChallenge(challenge, client.Nonce()); err != nil {
			return unexpected("%w", err)
		}
		_, proof, err := client.Step(challenge)
		if err != nil {
			return unexpected("%w", err)
		}
		if err := n.framer.WriteElement(n.saslElement("response", proof)); err != nil {
			return err
		}
		signature, err := n.saslAnswer("success")
		if err != nil {
			return err
		}
		if more, _, err := client.Step(signature); err != nil || more {
			return errUnproven
		}
		return n.loggedIn(m.Name, token)
	})
}

// loggedIn goes on once the server has proven itself. token is the mechanism for which one was asked for.
func (n *negotiation) loggedIn(mechanism, token string) error {
	n.cfg.Log.Debug("logged in", "mechanism", mechanism, "tls", tls.VersionName(n.tls.Version))
	if n.ns == nsSASL {
		return nil
	}
	return n.succeeded(n.success, token, n.offers().inline)
}

// authElement begins an exchange. In the extended way it asks for a token too, and returns for which mechanism.
func (n *negotiation) authElement(mechanism string, first []byte) (el *xmpp.Element, token string) {
	if n.ns == nsSASL {
		return n.saslElement("auth", first).With("mechanism", mechanism), ""
	}
	offers := n.offers()
	el = n.authenticateElement(mechanism, first, offers.inline, n.resumption(offers.inline))
	if token = n.keys.wanted(offers.fast, n.tls); token != "" {
		el.Add(xmpp.NewElement(nsFAST, "request-token").With("mechanism", token))
	}
	return el, token
}

func (n *negotiation) saslElement(name string, data []byte) *xmpp.Element {
	return xmpp.NewText(n.ns, name, base64.StdEncoding.EncodeToString(data))
}

// saslAnswer reads the server's next word in an exchange, which must have the name. A server may give its signature in a
// last challenge before an empty success (RFC 5802 §5 in the manner of RFC 4422 §5): that is read as one.
func (n *negotiation) saslAnswer(want string) ([]byte, error) {
	el, err := n.framer.ReadElement()
	if err != nil {
		return nil, err
	}
	switch {
	case el.Is(n.ns, "failure"):
		return nil, parseFailure(el)
	case el.Is(n.ns, want):
		return n.saslData(el)
	case want == "success" && el.Is(n.ns, "challenge"):
		signature, err := n.saslData(el)
		if err != nil {
			return nil, err
		}
		if err := n.framer.WriteElement(xmpp.NewElement(n.ns, "response")); err != nil {
			return nil, err
		}
		return signature, n.saslSuccess()
	case el.Is(nsSASL2, "continue"):
		return nil, errSecondFactor
	}
	return nil, unexpected("got <%.40s/> in place of <%s/>", el.Name.Local, want)
}

// saslData is what an element of an exchange holds.
func (n *negotiation) saslData(el *xmpp.Element) ([]byte, error) {
	if el.Is(n.ns, "success") {
		if n.success = el; n.ns == nsSASL2 {
			el = el.Child(nsSASL2, "additional-data")
		}
	}
	data, err := base64.StdEncoding.DecodeString(strings.TrimSpace(el.Text()))
	if err != nil {
		return nil, unexpected("the server's <%s/> is no base64", el.Name.Local)
	}
	return data, nil
}

func (n *negotiation) saslSuccess() error {
	el, err := n.framer.ReadElement()
	if err != nil {
		return err
	}
	if el.Is(n.ns, "failure") {
		return parseFailure(el)
	}
	if !el.Is(n.ns, "success") {
		return unexpected("got <%.40s/> in place of <success/>", el.Name.Local)
	}
	n.success = el
	return nil
}

// parseFailure reads a <failure/>. Its condition is the one of RFC 6120; one of an application's own stands where there is no other.
func parseFailure(el *xmpp.Element) *AuthError {
	e := &AuthError{Condition: "undefined-condition"}
	for _, c := range el.Children() {
		switch {
		case c.Name.Local == "text":
			e.Text = c.Text()
		case c.Name.Space == nsSASL || e.Condition == "undefined-condition":
			e.Condition = c.Name.Local
		}
	}
	return e
}
