package adhoc

import (
	"context"
	"crypto/rand"
	"sync"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/disco"
	"xtls-agent/xmpp/form"
)

// mount is a server on one session.
type mount struct {
	server  *Server
	list    func() []Command
	peer    Peer
	revoked bool // guarded by the server's mutex

	mu      sync.Mutex // guards all below
	waiting map[string]*execution
	order   []*execution // of waiting, oldest first
	ended   []string     // the latest ids that are gone, to tell "expired" from "never was"
}

// revoke is what Mount returns.
func (m *mount) revoke() {
	m.server.mu.Lock()
	m.revoked = true
	m.server.mu.Unlock()
	m.server.cancelAll(func(other *mount) bool { return other == m })
}

// maxEnded bounds the memory of ids that are gone.
const maxEnded = 32

// DiscoNode lists the commands, and tells about each (XEP-0050 §2.2).
func (m *mount) DiscoNode(self, _ jid.JID, node string) (disco.Node, bool) {
	if node == NS {
		n := disco.Node{Info: disco.Info{Identities: []disco.Identity{{Category: "automation", Type: "command-list"}}}}
		for _, c := range m.list() {
			n.Items = append(n.Items, disco.Item{JID: self, Node: c.Node, Name: c.Name})
		}
		return n, true
	}
	c, ok := m.find(node)
	return disco.Node{Info: disco.Info{
		Identities: []disco.Identity{{Category: "automation", Type: "command-node", Name: c.Name}},
		Features:   []string{NS, form.NS},
	}}, ok
}

func (m *mount) find(node string) (Command, bool) {
	for _, c := range m.list() {
		if c.Node == node && node != "" {
			return c, true
		}
	}
	return Command{}, false
}

func (m *mount) handle(ctx context.Context, r *xmpp.Request) {
	msg, err := parse(r.Payload[0])
	if err != nil {
		r.Fail(badRequest("bad-payload", err.Error()))
		return
	}
	switch msg.action {
	case "", actionExecute, actionCancel, actionPrev, actionNext, actionComplete:
	default:
		r.Fail(badRequest("malformed-action", ""))
		return
	}
	if m.peer.Memory == nil {
		msg.call = nil
	}
	if msg.session == "" {
		m.begin(ctx, r, msg)
	} else {
		m.resume(ctx, r, msg)
	}
}

// begin takes the first request for a command.
func (m *mount) begin(ctx context.Context, r *xmpp.Request, msg *message) {
	c, ok := m.find(msg.node)
	if !ok {
		r.Fail(&xmpp.Error{Type: xmpp.Cancel, Condition: xmpp.ItemNotFound, Text: "no such command"})
		return
	}
	e := &execution{mount: m, id: rand.Text(), from: r.From, command: c}
	switch {
	case msg.action == actionCancel || msg.action == actionPrev || msg.action == actionNext:
		r.Fail(badRequest("bad-action", ""))
	case msg.form == nil && msg.action != actionComplete && c.Form.Asks():
		m.keep(e)
		stage := &message{node: c.Node, session: e.id, status: Executing, form: c.Form}
		stage.actions = &actions{execute: actionComplete, allowed: []string{actionComplete}}
		r.Reply(stage.element())
	default:
		m.run(ctx, r, e, msg)
	}
}

// resume takes a further request of an execution.
func (m *mount) resume(ctx context.Context, r *xmpp.Request, msg *message) {
	e, running, fault := m.lookup(r.From, msg)
	switch {
	case fault != nil:
		r.Fail(fault)
	case msg.action == actionCancel:
		m.cancel(e)
		r.Reply((&message{node: msg.node, session: e.id, status: Canceled}).element())
	case running, msg.action == actionPrev, msg.action == actionNext:
		r.Fail(badRequest("bad-action", ""))
	case msg.form == nil:
		r.Fail(badRequest("bad-payload", "the form is missing"))
	default:
		m.run(ctx, r, e, msg)
	}
}

// lookup finds the execution that msg belongs to. Somebody else's does not exist.
func (m *mount) lookup(from jid.JID, msg *message) (e *execution, running bool, fault *xmpp.Error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sweep()
	e = m.waiting[msg.session]
	if e != nil && e.from.Equal(from) && e.command.Node == msg.node {
		return e, e.running, nil
	}
	for _, id := range m.ended {
		if id == msg.session {
			app := xmpp.NewElement(NS, "session-expired")
			return nil, false, &xmpp.Error{Type: xmpp.Cancel, Condition: xmpp.NotAllowed, App: app}
		}
	}
	return nil, false, badRequest("bad-sessionid", "")
}

// run checks what was submitted and starts the command. A wrong field leaves the execution
// where it is, so that it can be submitted again.
func (m *mount) run(ctx context.Context, r *xmpp.Request, e *execution, msg *message) {
	values, err := check(e.command.Form, msg.form)
	if err != nil {
		r.Fail(badRequest("bad-payload", err.Error()))
		return
	}
	m.setRunning(e, true)
	session := ctx
	fault := m.server.start(ctx, e, func(ctx context.Context) {
		if msg.call != nil {
			m.once(session, ctx, r, e, *msg.call, values)
			return
		}
		result, err := e.command.Run(ctx, values)
		canceled := m.isCanceled(e)
		m.drop(e)
		m.server.stop(e)
		e.reply(r, e.outcome(result, err, canceled))
	})
	if fault != nil {
		m.setRunning(e, false)
		r.Fail(fault)
	}
}

// check returns the values that were submitted; without a submitted form, the defaults.
func check(asked, submitted *form.Form) (form.Values, error) {
	if asked == nil {
		return nil, nil
	}
	if submitted == nil {
		submitted = &form.Form{Type: form.TypeSubmit}
	}
	return asked.Validate(submitted)
}

// outcome is what came of e, without the name of its session: a <command/>, or an <error/>.
func (e *execution) outcome(result Result, err error, canceled bool) *xmpp.Element {
	msg := &message{node: e.command.Node, status: Completed, form: result.Form, notes: result.Notes}
	switch fault := asFault(err); {
	case canceled:
		msg = &message{node: e.command.Node, status: Canceled}
	case fault != nil:
		return fault.Element()
	case err != nil: // a completed command says that it failed in a note (XEP-0050 §3.6)
		msg.notes = append(msg.notes, Note{Error, err.Error()})
	}
	return msg.element()
}

// reply answers a request with an outcome.
func (e *execution) reply(r *xmpp.Request, outcome *xmpp.Element) {
	if outcome.Name.Local == "error" {
		r.Fail(xmpp.ParseError(outcome))
		return
	}
	r.Reply(outcome.With("sessionid", e.id))
}

// keep adds e to what waits for a form, in the place of the oldest where there is no room.
func (m *mount) keep(e *execution) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sweep()
	for i := 0; len(m.waiting) >= m.server.config.Sessions && i < len(m.order); {
		if m.order[i].running {
			i++
			continue
		}
		m.remove(m.order[i])
	}
	e.expires = m.server.config.Now().Add(m.server.config.Lifetime)
	m.waiting[e.id] = e
	m.order = append(m.order, e)
}

// sweep removes what waited too long. The caller holds mu.
func (m *mount) sweep() {
	now := m.server.config.Now()
	for i := 0; i < len(m.order); {
		if e := m.order[i]; !e.running && now.After(e.expires) {
			m.remove(e)
			continue
		}
		i++
	}
}

// remove forgets e, all but its id. The caller holds mu.
func (m *mount) remove(e *execution) {
	for i, other := range m.order {
		if other == e {
			m.order = append(m.order[:i:i], m.order[i+1:]...)
			break
		}
	}
	if m.waiting[e.id] != e {
		return
	}
	delete(m.waiting, e.id)
	if m.ended = append(m.ended, e.id); len(m.ended) > maxEnded {
		m.ended = m.ended[1:]
	}
}

func (m *mount) setRunning(e *execution, running bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e.running = running
}

// isCanceled reports whether the peer has canceled e.
func (m *mount) isCanceled(e *execution) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return e.canceled
}

// drop removes e when it has run.
func (m *mount) drop(e *execution) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.remove(e)
}

// cancel ends e: at once while it waits, by its context while it runs.
func (m *mount) cancel(e *execution) {
	m.mu.Lock()
	running := e.running
	e.canceled = true
	if !running {
		m.remove(e)
	}
	m.mu.Unlock()
	if running {
		m.server.cancel(e)
	}
}
