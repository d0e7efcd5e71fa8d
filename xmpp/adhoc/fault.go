package adhoc

import (
	"errors"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/form"
)

// asFault returns the error of a stanza that a command's error stands for, or nil if that is for people.
func asFault(err error) *xmpp.Error {
	if err == nil {
		return nil
	}
	var stanza *xmpp.Error
	var field *form.FieldError
	switch {
	case errors.As(err, &stanza):
		return stanza
	case errors.As(err, &field):
		return badRequest("bad-payload", field.Error())
	}
	return nil
}

// badRequest is an error of XEP-0050 §4.4 with its specific condition.
func badRequest(specific, text string) *xmpp.Error {
	return &xmpp.Error{Type: xmpp.Modify, Condition: xmpp.BadRequest, Text: text, App: xmpp.NewElement(NS, specific)}
}
