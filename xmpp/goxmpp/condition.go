package goxmpp

import (
	upstream "github.com/xmppo/go-xmpp"

	"xtls-agent/xmpp"
)

const (
	nsJingleErrors = "urn:xmpp:jingle:errors:1"
	nsCommands     = "http://jabber.org/protocol/commands"
	nsPubsubErrors = "http://jabber.org/protocol/pubsub#errors"
)

// stanzaError makes a stanza error of the one condition that the library keeps, the last, without its namespace.
func stanzaError(v upstream.IQError) *xmpp.Error {
	e := &xmpp.Error{Type: v.Type, Condition: v.Condition, Text: v.Text}
	if !definedCondition(v.Condition) {
		var space string
		if e.Condition, space = applicationCondition(v.Condition); space != "" {
			e.App = xmpp.NewElement(space, v.Condition)
		}
	}
	switch e.Type {
	case xmpp.Auth, xmpp.Cancel, xmpp.Continue, xmpp.Modify, xmpp.Wait:
	default:
		e.Type = xmpp.Cancel
	}
	return e
}

// applicationCondition returns the defined condition that always accompanies an application's, and the latter's namespace.
func applicationCondition(name string) (defined, space string) {
	switch name {
	case "out-of-order": // XEP-0166 §10, table 1
		return xmpp.UnexpectedRequest, nsJingleErrors
	case "tie-break":
		return xmpp.Conflict, nsJingleErrors
	case "unknown-session":
		return xmpp.ItemNotFound, nsJingleErrors
	case "unsupported-info":
		return xmpp.FeatureNotImplemented, nsJingleErrors
	case "security-required":
		return xmpp.NotAcceptable, nsJingleErrors
	case "malformed-action", "bad-action", "bad-locale", "bad-payload", "bad-sessionid": // XEP-0050 §4.1
		return xmpp.BadRequest, nsCommands
	case "session-expired":
		return xmpp.NotAllowed, nsCommands
	case "precondition-not-met": // XEP-0060 §7.1.5
		return xmpp.Conflict, nsPubsubErrors
	}
	return xmpp.UndefinedCondition, ""
}

// definedCondition reports whether the name is one of RFC 6120 §8.3.3.
func definedCondition(name string) bool {
	switch name {
	case xmpp.BadRequest, xmpp.Conflict, xmpp.FeatureNotImplemented, xmpp.Forbidden, "gone", xmpp.InternalServerError,
		xmpp.ItemNotFound, "jid-malformed", xmpp.NotAcceptable, xmpp.NotAllowed, xmpp.NotAuthorized, "policy-violation",
		xmpp.RecipientUnavailable, "redirect", "registration-required", xmpp.RemoteServerNotFound, xmpp.RemoteServerTimeout,
		xmpp.ResourceConstraint, xmpp.ServiceUnavailable, "subscription-required", xmpp.UndefinedCondition, xmpp.UnexpectedRequest:
		return true
	}
	return false
}
