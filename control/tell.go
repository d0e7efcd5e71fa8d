package control

import (
	"context"
	"fmt"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/disco"
	"xtls-agent/xmpp/form"
)

// NSState is the FORM_TYPE (XEP-0068) of what tells states.
const NSState = "urn:xtls-agent:state:0"

const (
	// fieldCommand is which command a state is of.
	fieldCommand = "command"
	// maxReports bounds the states of one message, and maxStates those that an owner keeps of one device.
	maxReports = 64
	maxStates  = 1024
	// tellPause is the least time between two messages: more often nobody looks.
	tellPause = 100 * time.Millisecond
)

// Teller tells the peer of a session what the states are.
type Teller struct {
	session *xmpp.Session
	watcher *Watcher
}

// Mount tells the peer of s the states, and each change of them. What is known is queued at once, so that it goes before the answer to
// whatever the peer asks; the changes come from Run. Mount it only where the peer may know.
func (s *States) Mount(session *xmpp.Session) *Teller {
	t := &Teller{session, s.Watch()}
	if reports := t.watcher.Take(maxReports); len(reports) > 0 {
		_ = session.Post(stateMessage(reports)) // there is room before anything else was said
	}
	return t
}

// Run tells the changes, until the session ends. At most one message is on its way, and each holds the latest: to a peer that is slow, or
// a line that stands still, no queue is sent.
func (t *Teller) Run() {
	defer t.watcher.Stop()
	for {
		select {
		case <-t.session.Done():
			return
		case <-t.watcher.Changed():
		}
		reports := t.watcher.Take(maxReports)
		if len(reports) == 0 {
			continue
		}
		if t.session.Send(context.Background(), stateMessage(reports)) != nil {
			<-t.session.Done()
			return
		}
		t.awaitArrival()
	}
}

// awaitArrival returns when the peer has had what was sent, and a moment has passed. A ping would overtake it; any answer will do.
func (t *Teller) awaitArrival() {
	pause := time.After(tellPause)
	_, _ = t.session.Request(context.Background(), xmpp.Get, jid.JID{}, xmpp.NewElement(disco.NSInfo, "query"))
	select {
	case <-pause:
	case <-t.session.Done():
	}
}

// Stop ends the telling at once: for an owner who was removed.
func (t *Teller) Stop() { t.watcher.Stop() }

// stateMessage tells states: a table with a row for each (XEP-0004 §3.4).
func stateMessage(reports []Report) *xmpp.Stanza {
	f := form.NewResult("", form.Field{Var: "FORM_TYPE", Type: form.Hidden, Values: []string{NSState}})
	f.Reported = []form.Field{
		{Var: fieldCommand, Type: form.TextSingle, Label: "Command"}, {Var: FieldState, Type: form.TextSingle, Label: "State"},
		{Var: FieldMotion, Type: form.TextSingle, Label: "Motion"}, {Var: FieldUnknown, Type: form.TextSingle, Label: "State unknown"},
	}
	for _, r := range reports {
		item := []form.Field{form.Text(fieldCommand, r.Command)}
		for _, field := range r.State.fields() {
			item = append(item, form.Text(field.Var, field.Values[0]))
		}
		f.Items = append(f.Items, item)
	}
	return &xmpp.Stanza{Kind: xmpp.Message, Type: "headline", Payload: []*xmpp.Element{f.Element()}}
}

// fields is the state as it travels, in a result too.
func (s State) fields() []form.Field {
	if s.Unknown != "" {
		return []form.Field{{Var: FieldUnknown, Type: form.TextSingle, Label: "State unknown", Values: []string{s.Unknown}}}
	}
	out := []form.Field{{Var: FieldState, Type: form.TextSingle, Label: "State", Values: []string{s.Word}}}
	if s.Motion != "" {
		out = append(out, form.Field{Var: FieldMotion, Type: form.TextSingle, Label: "Motion", Values: []string{s.Motion}})
	}
	return out
}

// parseState reads the fields of a state; nil if there is none.
func parseState(fields []form.Field) *State {
	values := form.Form{Fields: fields}
	if values.Field(FieldState) == nil && values.Field(FieldUnknown) == nil {
		return nil
	}
	s := State{Word: values.Value(FieldState), Motion: values.Value(FieldMotion), Unknown: values.Value(FieldUnknown)}.cleaned()
	if s.Unknown != "" {
		s.Word, s.Motion = "", ""
	}
	return &s
}

// ParseStates reads a message that tells states, as a device sends it. ok is false for any other form.
func ParseStates(el *xmpp.Element) (reports []Report, ok bool, err error) {
	f, err := form.Parse(el)
	if err != nil || f.About() != NSState {
		return nil, false, err
	}
	for _, item := range f.Items {
		row := form.Form{Fields: item}
		name, state := row.Value(fieldCommand), parseState(item)
		if !isName(name) || state == nil {
			return nil, true, fmt.Errorf("control: a state of %.40q, which is no command, or without a value", name)
		}
		reports = append(reports, Report{Command: name, State: *state})
	}
	return reports, true, nil
}

// Hear keeps in s what the device at the other end of a session tells.
func (s *States) Hear(session *xmpp.Session) {
	session.HandleMessage(form.NS, "x", func(_ context.Context, r *xmpp.Request) {
		reports, _, err := ParseStates(r.Child(form.NS, "x"))
		if err != nil {
			return // a device of another make; its commands still work
		}
		for _, r := range reports {
			s.Note(r)
		}
	})
}

// Note is Set within bounds: what a device tells does not fill its owner's memory.
func (s *States) Note(r Report) {
	s.mu.Lock()
	_, known := s.find(r.Command)
	room := known || len(s.reports) < maxStates
	s.mu.Unlock()
	if room {
		s.Set(r.Command, r.State)
	}
}
