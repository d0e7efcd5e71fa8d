// Package adhoc implements ad-hoc commands (XEP-0050) with data forms: a [Server] that runs
// commands for peers, and [List] and [Execute] to use those of others.
//
// The server's commands have at most one form: asked first and completed second, or submitted
// at once with the first request. The client follows as many stages as a peer has. Who may
// run what is not decided here: commands can be run by whoever's session they are mounted on.
package adhoc

import (
	"errors"
	"fmt"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/form"
)

// NS is the namespace of commands, and the node under which they are listed.
const NS = "http://jabber.org/protocol/commands"

// The statuses of a command (XEP-0050 §4.1).
const (
	Executing = "executing"
	Completed = "completed"
	Canceled  = "canceled"
)

// The actions of a request (XEP-0050 §4.1).
const (
	actionExecute  = "execute"
	actionCancel   = "cancel"
	actionPrev     = "prev"
	actionNext     = "next"
	actionComplete = "complete"
)

// The types of a note (XEP-0050 §4.3).
const (
	Info  = "info"
	Warn  = "warn"
	Error = "error"
)

// Note is a line about a command for people.
type Note struct{ Type, Text string }

// Result is what a command returned.
type Result struct {
	Status string     // Completed or Canceled; set by Execute, and left empty by commands
	Form   *form.Form // nil if there is none
	Notes  []Note
}

// Failed reports whether the command says that it failed (XEP-0050 §3.6).
func (r *Result) Failed() bool {
	for _, n := range r.Notes {
		if n.Type == Error {
			return true
		}
	}
	return false
}

// message is a <command/> element of either side.
type message struct {
	node, session, action, status string
	form                          *form.Form // the first; nil if there is none
	notes                         []Note
	actions                       *actions // nil if there is no <actions/>
	call                          *Call    // nil if there is no <call/>
}

// actions is what may follow a stage (XEP-0050 §4.2).
type actions struct {
	execute string // what "execute" means; may be empty
	allowed []string
}

// errPayload wraps what makes a form in a command unusable.
var errPayload = errors.New("the form cannot be read")

func parse(el *xmpp.Element) (*message, error) {
	m := &message{node: el.Attr("node"), session: el.Attr("sessionid"), action: el.Attr("action"), status: el.Attr("status")}
	for _, c := range el.Children() {
		switch {
		case c.Is(form.NS, "x") && m.form == nil:
			f, err := form.Parse(c)
			if err != nil {
				return nil, fmt.Errorf("%w: %w", errPayload, err)
			}
			m.form = f
		case c.Is(NS, "note"):
			m.notes = append(m.notes, parseNote(c))
		case c.Is(NSCall, "call") && m.call == nil:
			call, err := parseCall(c)
			if err != nil {
				return nil, err
			}
			m.call = call
		case c.Is(NS, "actions"):
			m.actions = &actions{execute: c.Attr("execute")}
			for _, a := range c.Children() {
				m.actions.allowed = append(m.actions.allowed, a.Name.Local)
			}
		}
	}
	return m, nil
}

func parseNote(el *xmpp.Element) Note {
	n := Note{Type: el.Attr("type"), Text: el.Text()}
	if n.Type != Warn && n.Type != Error {
		n.Type = Info
	}
	return n
}

func (m *message) element() *xmpp.Element {
	el := xmpp.NewElement(NS, "command").With("node", m.node).With("sessionid", m.session).
		With("action", m.action).With("status", m.status)
	if m.actions != nil {
		a := xmpp.NewElement(NS, "actions").With("execute", m.actions.execute)
		for _, name := range m.actions.allowed {
			a.Add(xmpp.NewElement(NS, name))
		}
		el.Add(a)
	}
	if m.call != nil {
		el.Add(m.call.element())
	}
	if m.form != nil {
		el.Add(m.form.Element())
	}
	for _, n := range m.notes {
		el.Add(xmpp.NewText(NS, "note", n.Text).With("type", n.Type))
	}
	return el
}
