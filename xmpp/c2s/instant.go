package c2s

import (
	"crypto/tls"
	"net"
	"slices"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/internal/account"
)

// nsISR is Instant Stream Resumption (XEP-0397).
const nsISR = "https://xmpp.org/extensions/isr/0"

// instant is a token that resumes one stream, once. It lives as long as its stream and is stored nowhere.
type instant struct {
	token     string
	mechanism string   // the only one for which it may be used
	location  location // where to use it, with direct TLS
	inline    inline   // what the server takes with it
	used      bool     // it has left, or a new one is to be had in another way
}

// parseInstant reads what an <enabled/> or an <inst-resumed/> has for mechanism, which came from a connection's other end; nil if there
// is no token that can be kept.
func parseInstant(el *xmpp.Element, mechanism string, in inline, from net.Addr) *instant {
	token := el.Attr("token")
	if token == "" || len(token) > maxToken || mechanism == "" {
		return nil
	}
	return &instant{token: token, mechanism: mechanism, location: parseLocation(el.Attr("location"), from), inline: in}
}

// enableElement is an <enable/>, which asks for a token to resume by where the server has them.
func enableElement(mechanism string) *xmpp.Element {
	el := xmpp.NewElement(nsSM, "enable").With("resume", "true")
	if mechanism != "" {
		el.Add(xmpp.NewElement(nsISR, "isr-enable").With("mechanism", mechanism))
	}
	return el
}

// bestOf is the first of our mechanisms that is offered, and that the connection can bind to; empty for none.
func bestOf(offered []string, cs tls.ConnectionState) string {
	for _, m := range tokenMechanisms {
		if _, ok := bindingOf(m, cs); ok && slices.Contains(offered, m) {
			return m
		}
	}
	return ""
}

// login returns how to resume by the token over a connection; nil if it cannot be used there, or was.
func (i *instant) login(cs tls.ConnectionState) *tokenLogin {
	if i == nil || i.used {
		return nil
	}
	binding, ok := bindingOf(i.mechanism, cs)
	if !ok {
		return nil
	}
	return &tokenLogin{proof: proof{i.token, binding}, mechanism: i.mechanism, inline: i.inline, instant: i, pipelined: true}
}

// resumption is the element that asks for the former stream together with an authentication; nil if the server takes none. A
// stream that has had a token gets the next one, too.
func (n *negotiation) resumption(in inline) *xmpp.Element {
	switch {
	case n.claim == nil:
		return nil
	case n.claim.instant != nil && in.Instant != "":
		return xmpp.NewElement(nsISR, "inst-resume", n.claim.element()).With("with-isr-token", "false")
	case in.Resume:
		return n.claim.element()
	}
	return nil
}

// judged takes the server's answer to a claim that went with the authentication.
func (n *negotiation) judged(success *xmpp.Element) (err error) {
	for _, c := range success.Children() {
		answer := c
		if c.Is(nsISR, "inst-resumed") || c.Is(nsISR, "inst-resume-failed") {
			answer = firstIn(c, nsSM)
		} else if c.Name.Space != nsSM {
			continue
		}
		if n.bound.verdict, err = n.claim.judge(answer); err != nil {
			return err
		}
		if c.Is(nsISR, "inst-resumed") && n.claim.instant != nil {
			n.bound.instant = parseInstant(c, n.claim.instant.mechanism, n.claim.instant.inline, n.raw.RemoteAddr())
		}
		return nil
	}
	return nil
}

// firstIn is the first child in a namespace, or an element without a name.
func firstIn(el *xmpp.Element, space string) *xmpp.Element {
	for _, c := range el.Children() {
		if c.Name.Space == space {
			return c
		}
	}
	return &xmpp.Element{}
}

// instantPlaces are where the token is to be used. They are spoken to by direct TLS alone (XEP-0397 §5.1).
func (c *claim) instantPlaces() []account.Candidate {
	if c.instant == nil || c.instant.used || c.instant.location.addr == "" {
		return nil
	}
	return []account.Candidate{{Addr: c.instant.location.addr, Direct: true}}
}
