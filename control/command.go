package control

import (
	"context"
	"fmt"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp/form"
)

// Actor is who asked for a run.
type Actor struct {
	Owner       jid.JID // bare; zero if Local
	Fingerprint string  // of the owner's certificate: lowercase hex of its SHA-256; "" if Local
	Local       bool    // through the local socket
	LocalUser   string  // the user behind the socket, if known
}

// String names the actor for logs and people.
func (a Actor) String() string {
	switch {
	case a.Local && a.LocalUser != "":
		return "local user " + a.LocalUser
	case a.Local:
		return "local"
	case len(a.Fingerprint) > 16:
		return a.Owner.String() + " (" + a.Fingerprint[:16] + "…)"
	}
	return a.Owner.String()
}

// id tells the actor from any other, on all of his sessions.
func (a Actor) id() string { return a.Owner.String() + " " + a.Fingerprint + a.LocalUser }

// Call is one run of a command.
type Call struct {
	Actor  Actor
	Values form.Values // as the fields' types have them
}

// Result is what came of a run. A run that did what it should has neither Failure nor an error.
type Result struct {
	Output  string     // for people; any bytes, made valid XML and cut where it is too long
	Form    *form.Form // in place of Output, for programs; may be nil
	Exit    *int       // the exit code of a program; nil if there was none
	State   *State     // what the command's thing is after it; nil if it has no state, or it is not known in time
	Failure string     // why it failed, in a line for people; "" if it did not
	Note    string     // a remark for people, as that output was cut
}

// Command is one thing that an owner may do.
type Command struct {
	Name    string        // lowercase letters, digits, '-', '_' and '.'; what xtlsctl call takes
	Title   string        // for people; default is the name
	Fields  []form.Field  // what is asked; may be empty
	Timeout time.Duration // after it the context ends; default 30 s, at most an hour
	State   *StateSource  // what the thing is that it controls; nil: it has no state
	// Offered reports who has the command at all; nil: everybody on whose session commands stand.
	Offered func(Actor) bool
	// Run runs the command. An error's text is shown to the actor. A *[form.FieldError] says that a
	// field is wrong in a way that its type cannot tell.
	Run func(ctx context.Context, c Call) (Result, error)
}

// How long a command may run: what it says, within these.
const (
	DefaultTimeout = 30 * time.Second
	MaxTimeout     = time.Hour
)

const maxName = 64

// isName reports whether s may be the name of a command or a field: what can be typed without quoting, and is no flag.
func isName(s string) bool {
	for i, c := range []byte(s) {
		first := c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_'
		if !first && (i == 0 || c != '.' && c != '-') {
			return false
		}
	}
	return s != "" && len(s) <= maxName
}

// checked returns c with its defaults, or why it cannot be offered.
func (c Command) checked() (Command, error) {
	if !isName(c.Name) {
		return c, fmt.Errorf("command %.40q: a name has lowercase letters, digits, '-', '_' and '.', and at most 64 of them", c.Name)
	}
	if c.Title == "" {
		c.Title = c.Name
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.Timeout < 0 || c.Timeout > MaxTimeout {
		return c, fmt.Errorf("command %q: the time limit must be between 1ns and %v", c.Name, MaxTimeout)
	}
	seen := make(map[string]bool)
	for _, f := range c.Fields {
		if seen[f.Var] {
			return c, fmt.Errorf("command %q: field %q twice", c.Name, f.Var)
		}
		seen[f.Var] = true
		if err := checkField(f); err != nil {
			return c, fmt.Errorf("command %q: %w", c.Name, err)
		}
	}
	return c, nil
}

// checkField refuses fields that nobody could fill.
func checkField(f form.Field) error {
	if !isName(f.Var) {
		return fmt.Errorf("field %.40q: a name has lowercase letters, digits, '-', '_' and '.', and at most 64 of them", f.Var)
	}
	lists := f.Type == form.ListSingle || f.Type == form.ListMulti
	switch f.Type {
	case form.Boolean, form.JIDMulti, form.JIDSingle, form.ListMulti, form.ListSingle, form.TextMulti, form.TextPrivate, form.TextSingle:
	default:
		return fmt.Errorf("field %q: type %.40q is not known: use text-single, text-multi, text-private, boolean, list-single, list-multi, jid-single or jid-multi", f.Var, f.Type)
	}
	switch {
	case lists && len(f.Options) == 0:
		return fmt.Errorf("field %q: a list needs options", f.Var)
	case !lists && len(f.Options) > 0:
		return fmt.Errorf("field %q: only a list has options", f.Var)
	case f.Range != nil && (f.Type != form.TextSingle || f.Range.Min > f.Range.Max):
		return fmt.Errorf("field %q: a range needs type text-single, and min at most max", f.Var)
	}
	if len(f.Values) > 0 { // a default must be one that could be given
		asked := form.New("", f)
		if _, err := asked.Validate(form.NewSubmit("", form.Field{Var: f.Var, Values: f.Values})); err != nil {
			return fmt.Errorf("its default is wrong: %w", err)
		}
	}
	return nil
}
