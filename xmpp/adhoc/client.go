package adhoc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/disco"
	"xtls-agent/xmpp/form"
)

// ErrOutcomeUnknown is returned when a request left and no answer came: the command may
// have run, wholly or in part, or not at all.
var ErrOutcomeUnknown = errors.New("the command may have run or not: no answer came")

// ErrProtocol is what an answer that breaks XEP-0050 is wrapped in.
var ErrProtocol = errors.New("the other side does not keep to XEP-0050")

// maxStages bounds how long a peer can keep asking.
const maxStages = 16

// executeTimeout bounds a command whose context has no deadline.
const executeTimeout = 5 * time.Minute

// abandonTimeout bounds how long a cancellation waits for room to leave.
const abandonTimeout = time.Second

// List returns the commands of peer: node and name of each.
func List(ctx context.Context, s *xmpp.Session, peer jid.JID) ([]disco.Item, error) {
	return disco.QueryItems(ctx, s, peer, NS)
}

// Fill answers a form of a command; it is called once a stage.
type Fill func(*form.Form) (form.Values, error)

// Execute runs a command of peer to its end, calling fill for each form on the way. An error
// answer is an *[xmpp.Error]; [ErrOutcomeUnknown] says that no answer came. If fill fails, the
// command is canceled and fill's error returned. Without a deadline it waits five minutes in all.
func Execute(ctx context.Context, s *xmpp.Session, peer jid.JID, node string, fill Fill) (*Result, error) {
	return execute(ctx, &conversation{session: s, peer: peer, node: node}, fill)
}

// ExecuteOnce is Execute for a call with an id, of a peer that has the feature [NSCall]: after [ErrOutcomeUnknown], or when the session has
// ended, the same call may be repeated, with its age, on any session with that peer. Any error but that and [ErrForgotten] says that it was
// not run.
func ExecuteOnce(ctx context.Context, s *xmpp.Session, peer jid.JID, node string, fill Fill, call Call) (*Result, error) {
	return execute(ctx, &conversation{session: s, peer: peer, node: node, call: &call}, fill)
}

func execute(ctx context.Context, c *conversation, fill Fill) (*Result, error) {
	node := c.node
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, executeTimeout)
		defer cancel()
	}
	ask := &message{action: actionExecute}
	for range maxStages {
		got, err := c.exchange(ctx, ask)
		if err != nil {
			return nil, fmt.Errorf("adhoc: running %q: %w", node, err)
		}
		if got.status != Executing {
			return &Result{Status: got.status, Form: got.form, Notes: got.notes}, nil
		}
		if ask, err = next(got, fill); err != nil {
			c.abandon(ctx)
			return nil, fmt.Errorf("adhoc: running %q: %w", node, err)
		}
	}
	c.abandon(ctx)
	return nil, fmt.Errorf("adhoc: running %q: %w: more than %d stages", node, ErrProtocol, maxStages)
}

// conversation is one execution of a peer's command.
type conversation struct {
	session *xmpp.Session
	peer    jid.JID
	node    string
	id      string // "" until the peer gave one
	call    *Call  // nil: it has no id
}

// exchange sends one request and returns a valid answer.
func (c *conversation) exchange(ctx context.Context, ask *message) (*message, error) {
	ask.node, ask.session, ask.call = c.node, c.id, c.call
	call, err := c.session.Go(ctx, xmpp.Set, c.peer, ask.element())
	if err != nil {
		return nil, err // it has not left
	}
	st, err := call.Wait(ctx)
	var answered *xmpp.Error
	switch {
	case errors.As(err, &answered):
		return nil, c.refused(answered)
	case err != nil: // silence, the session's end or the caller's
		c.abandon(ctx)
		return nil, fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	}
	el := st.Child(NS, "command")
	if el == nil {
		return nil, fmt.Errorf("%w: the answer holds no <command/>", ErrProtocol)
	}
	got, err := parse(el)
	if err != nil {
		return nil, err
	}
	return got, c.accept(got)
}

// refused is what an error answer means. What refuses a call that was asked for before, and says nothing of that, does not know
// whether it has run.
func (c *conversation) refused(answer *xmpp.Error) error {
	verdict := verdictOf(answer)
	if verdict == nil && c.call != nil && c.call.Age > 0 {
		verdict = ErrOutcomeUnknown
	}
	if verdict == nil {
		return answer
	}
	return fmt.Errorf("%w: %w", verdict, answer)
}

// accept checks that an answer belongs to this conversation. A completed one may leave the
// names out, as some servers do.
func (c *conversation) accept(got *message) error {
	switch got.status {
	case Completed, Canceled:
		return nil
	case Executing:
	default:
		return fmt.Errorf("%w: status %.40q", ErrProtocol, got.status)
	}
	if got.session == "" || c.id != "" && got.session != c.id {
		return fmt.Errorf("%w: the session's id is missing or another", ErrProtocol)
	}
	c.id = got.session
	return nil
}

// abandon tells the peer that nobody will go on. It waits for nothing.
func (c *conversation) abandon(ctx context.Context) {
	if c.id == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonTimeout)
	defer cancel()
	bye := &message{node: c.node, session: c.id, action: actionCancel}
	if call, err := c.session.Go(ctx, xmpp.Set, c.peer, bye.element()); err == nil {
		call.Cancel()
	}
}

// next answers a stage: its form, and the action that leads on.
func next(got *message, fill Fill) (*message, error) {
	action, err := got.actions.forward()
	if err != nil {
		return nil, err
	}
	ask := &message{action: action}
	if got.form == nil || got.form.Type != form.TypeForm {
		return ask, nil // a stage that only tells
	}
	values, err := fill(got.form)
	if err != nil {
		return nil, err
	}
	ask.form, err = got.form.Submit(values)
	return ask, err
}

// forward returns the action that leads on (XEP-0050 §3.4). Without <actions/> that is
// "execute", which means "complete" there. With it, what its execute attribute says, by default
// "next"; where that is not allowed, which is invalid but happens, whichever is.
func (a *actions) forward() (string, error) {
	if a == nil {
		return actionExecute, nil
	}
	want := a.execute
	if want == "" {
		want = actionNext
	}
	for _, candidate := range []string{want, actionComplete, actionNext} {
		if candidate != actionPrev && slices.Contains(a.allowed, candidate) {
			return candidate, nil
		}
	}
	if len(a.allowed) == 0 && a.execute != "" && a.execute != actionPrev {
		return a.execute, nil
	}
	return "", fmt.Errorf("%w: no action leads on", ErrProtocol)
}
