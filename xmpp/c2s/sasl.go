package c2s

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"

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
	errUnproven       = errors.New("the server did not prove that it knows the account: somebody may be interfering")
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

// mechanisms returns what to try, best first. SCRAM-SHA-256-PLUS binds the login to this TLS connection by tls-exporter
// (RFC 9266), which TLS 1.3 alone has here; tls-unique is not used.
func (n *negotiation) mechanisms() []sasl.Mechanism {
	offered := make(map[string]bool)
	for _, m := range n.features.Child(nsSASL, "mechanisms").ChildrenNamed(nsSASL, "mechanism") {
		offered[m.Text()] = true
	}
	var out []sasl.Mechanism
	for _, m := range []sasl.Mechanism{sasl.ScramSha256Plus, sasl.ScramSha256, sasl.ScramSha1} {
		if m.Name == sasl.ScramSha256Plus.Name && !n.canBind() {
			continue
		}
		if offered[m.Name] {
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
	mechanisms := n.mechanisms()
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
	var failure *AuthError
	if err != nil && !errors.As(err, &failure) && ctx.Err() == nil && !errors.Is(err, errUnproven) {
		return errBindingRefused
	}
	return err
}

// scram runs one SCRAM exchange (RFC 5802) in the form of RFC 6120 §6.4.
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
		if err := n.framer.WriteElement(saslElement("auth", first).With("mechanism", m.Name)); err != nil {
			return err
		}
		challenge, err := n.saslAnswer("challenge")
		if err != nil {
			return err
		}
		if err := account.CheckChallenge(challenge, client.Nonce()); err != nil {
			return err
		}
		_, proof, err := client.Step(challenge)
		if err != nil {
			return err
		}
		if err := n.framer.WriteElement(saslElement("response", proof)); err != nil {
			return err
		}
		signature, err := n.saslAnswer("success")
		if err != nil {
			return err
		}
		if more, _, err := client.Step(signature); err != nil || more {
			return errUnproven
		}
		n.cfg.Log.Debug("logged in", "mechanism", m.Name, "tls", tls.VersionName(n.tls.Version))
		return nil
	})
}

func saslElement(name string, data []byte) *xmpp.Element {
	return xmpp.NewText(nsSASL, name, base64.StdEncoding.EncodeToString(data))
}

// saslAnswer reads the server's next word in an exchange, which must have the name. A server may give its signature in a
// last challenge before an empty success (RFC 5802 §5 in the manner of RFC 4422 §5): that is read as one.
func (n *negotiation) saslAnswer(want string) ([]byte, error) {
	el, err := n.framer.ReadElement()
	if err != nil {
		return nil, err
	}
	switch {
	case el.Is(nsSASL, "failure"):
		return nil, parseFailure(el)
	case el.Is(nsSASL, want):
		return base64.StdEncoding.DecodeString(el.Text())
	case want == "success" && el.Is(nsSASL, "challenge"):
		signature, err := base64.StdEncoding.DecodeString(el.Text())
		if err != nil {
			return nil, err
		}
		if err := n.framer.WriteElement(xmpp.NewElement(nsSASL, "response")); err != nil {
			return nil, err
		}
		if _, err := n.saslSuccess(); err != nil {
			return nil, err
		}
		return signature, nil
	}
	return nil, fmt.Errorf("got <%.40s/> in place of <%s/>", el.Name.Local, want)
}

func (n *negotiation) saslSuccess() (*xmpp.Element, error) {
	el, err := n.framer.ReadElement()
	if err != nil {
		return nil, err
	}
	if el.Is(nsSASL, "failure") {
		return nil, parseFailure(el)
	}
	if !el.Is(nsSASL, "success") {
		return nil, fmt.Errorf("got <%.40s/> in place of <success/>", el.Name.Local)
	}
	return el, nil
}

func parseFailure(el *xmpp.Element) *AuthError {
	e := &AuthError{Condition: "undefined-condition"}
	for _, c := range el.Children() {
		if c.Is(nsSASL, "text") {
			e.Text = c.Text()
		} else {
			e.Condition = c.Name.Local
		}
	}
	return e
}
