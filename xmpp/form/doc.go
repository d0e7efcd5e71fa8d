// Package form implements data forms (XEP-0004), with the integer ranges of XEP-0122.
//
// A [Form] is read from and written to an [xmpp.Element]; [Form.Validate] holds what somebody
// submitted against the form that was asked, and yields [Values]. It draws nothing and asks
// nobody: that is the business of whoever shows a form to a person. Media elements, in-band
// bytes and form layout (XEP-0141, XEP-0221) are ignored when read.
package form

// Namespaces.
const (
	NS         = "jabber:x:data"
	NSValidate = "http://jabber.org/protocol/xdata-validate" // XEP-0122
)

// The types of a form (XEP-0004 §3.1).
const (
	TypeForm   = "form"
	TypeSubmit = "submit"
	TypeCancel = "cancel"
	TypeResult = "result"
)

// The types of a field (XEP-0004 §3.3). An unknown or missing one means TextSingle.
const (
	Boolean     = "boolean"
	Fixed       = "fixed"
	Hidden      = "hidden"
	JIDMulti    = "jid-multi"
	JIDSingle   = "jid-single"
	ListMulti   = "list-multi"
	ListSingle  = "list-single"
	TextMulti   = "text-multi"
	TextPrivate = "text-private"
	TextSingle  = "text-single"
)

// formType is the hidden field that says what a form is about (XEP-0068 §3).
const formType = "FORM_TYPE"
