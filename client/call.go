package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"xtls-agent/owner"
)

// CallRequest is a call of a device's command.
type CallRequest struct {
	Target  Target
	Command string
	Fill    func(*owner.Form) (owner.Values, error) // answers the command's form, each time it is asked
	ID      string                                  // of a call that was made before, or to be known by; empty: made
	// Progress hears in words what keeps the call from its answer; may be nil.
	Progress func(words string)
}

// CallUnknownError says that a call was sent and that its outcome is not known.
type CallUnknownError struct {
	ID  string // by which its outcome can be asked for; empty if the device remembers none
	Err error
}

func (e *CallUnknownError) Error() string { return e.Err.Error() }
func (e *CallUnknownError) Unwrap() error { return e.Err }

// Call runs a command of a device once. When the line breaks it opens another session, by whatever way there is, and asks again for the
// same call, until the device says what came of it. That it was sent is stored before: also another run of the program may ask, with
// its id. The session is the one on which the answer came, also if that was an error; the caller closes it. It may be nil with an error.
func (c *Client) Call(ctx context.Context, r CallRequest) (*Session, owner.Result, error) {
	s, err := c.Open(ctx, r.Target)
	if err != nil {
		return nil, owner.Result{}, err
	}
	p, err := c.promise(r.ID, s.Device().JID.String(), r.Command)
	if err != nil {
		s.Close()
		return nil, owner.Result{}, err
	}
	a := &asking{client: c, request: r, pending: p, session: s}
	res, err := a.outcome(ctx)
	var unknown *CallUnknownError
	if !errors.As(err, &unknown) {
		if err := c.settled(p); err != nil {
			c.Note("forgetting a call", err)
		}
	}
	return a.session, res, err
}

// asking is a call under way.
type asking struct {
	client  *Client
	request CallRequest
	pending *pending
	session *Session // nil while there is none
}

// outcome asks until the device says what came of the call.
func (a *asking) outcome(ctx context.Context) (owner.Result, error) {
	for {
		res, err := a.ask(ctx)
		if !inDoubt(err) {
			return res, err
		}
		if ctx.Err() != nil {
			return res, &CallUnknownError{a.pending.ID, err}
		}
		if err := a.reconnect(ctx); err != nil {
			return res, err
		}
	}
}

// inDoubt reports whether err leaves open what came of a call, so that the device must be asked again.
func inDoubt(err error) bool {
	var answered *owner.RequestError
	var known *CallUnknownError
	if !errors.Is(err, owner.ErrOutcomeUnknown) || errors.As(err, &known) {
		return false
	}
	return !errors.As(err, &answered) || answered.Type == owner.Wait // it has no room to look now
}

// saidByDevice reports whether err is what the device answered.
func saidByDevice(err error) bool {
	var answered *owner.RequestError
	return errors.As(err, &answered) || errors.Is(err, owner.ErrProtocol)
}

// ask asks once. A device that cannot store the call is asked to run it as one that cannot be repeated.
func (a *asking) ask(ctx context.Context) (owner.Result, error) {
	call := owner.Call{ID: a.pending.ID, Age: a.pending.age(a.client.cfg.Now())}
	a.pending.fresh = false
	defer a.watch(ctx)()
	var unfilled error // it is not to be sent: nothing is in doubt
	fill := func(f *owner.Form) (values owner.Values, err error) {
		values, unfilled = a.request.Fill(f)
		return values, unfilled
	}
	res, err := a.session.CallOnce(ctx, a.request.Command, fill, call)
	switch {
	case errors.Is(err, owner.ErrCallNotStored):
		if res, err = a.session.Call(ctx, a.request.Command, a.request.Fill); inDoubt(err) {
			err = &CallUnknownError{Err: fmt.Errorf("%w: %w", owner.ErrCallNotStored, err)}
		}
	case errors.Is(err, owner.ErrOutcomeUnknown) && !inDoubt(err): // the device itself does not know
		err = &CallUnknownError{Err: err}
	case err != nil && unfilled == nil && !saidByDevice(err) && !inDoubt(err):
		err = fmt.Errorf("%w: %w", owner.ErrOutcomeUnknown, err) // the session has ended, or is about to: it may have left
	}
	return res, err
}

// How a line is found dead while an answer is awaited: a ping may stand behind a large stanza on a slow line.
const (
	pingEvery   = 15 * time.Second
	pingTimeout = 45 * time.Second
)

// watch ends the session if the device does not answer pings, until stop.
func (a *asking) watch(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	session, done := a.session, make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(pingEvery):
			}
			within, enough := context.WithTimeout(ctx, pingTimeout)
			err := session.Ping(within)
			enough()
			if err != nil && ctx.Err() == nil {
				session.Session.Close() // whoever waits on it is told
				return
			}
		}
	}()
	return func() { cancel(); <-done }
}

// gone reports whether the session has ended.
func (a *asking) gone() bool {
	select {
	case <-a.session.Done():
		return true
	default:
		return false
	}
}

// How a device is reached again. Who wants to wait longer than a while asks for the call by its id.
const (
	firstPause = 500 * time.Millisecond
	lastPause  = 15 * time.Second
	reachFor   = 2 * time.Minute
)

// reconnect opens another session with the device, which must be one that remembers. It tries for a while.
func (a *asking) reconnect(ctx context.Context) (err error) {
	a.request.tell("reconnecting…")
	a.session.Close()
	a.session = nil
	until := time.Now().Add(reachFor)
	for pause := firstPause; time.Now().Before(until); pause = min(2*pause, lastPause) {
		select {
		case <-time.After(pause/2 + rand.N(pause)): // with jitter: not all of a house at once
		case <-ctx.Done():
			return &CallUnknownError{a.pending.ID, fmt.Errorf("%w: %w", owner.ErrOutcomeUnknown, ctx.Err())}
		}
		a.session, err = a.client.Open(ctx, a.request.Target)
		if err == nil {
			return a.mayRepeat(ctx)
		}
		a.client.Note("reaching the device again", err)
		if final(err) {
			break
		}
	}
	return &CallUnknownError{a.pending.ID, fmt.Errorf("%w: %w", owner.ErrOutcomeUnknown, err)}
}

// final reports whether another attempt would end as this one did.
func final(err error) bool {
	for _, e := range []error{owner.ErrNotPaired, owner.ErrNotKnown, owner.ErrNotAuthentic, owner.ErrRefused, owner.ErrNotAuthorized} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// mayRepeat asks whether the device knows calls that are repeated.
func (a *asking) mayRepeat(ctx context.Context) error {
	remembers, err := a.session.Remembers(ctx)
	if err != nil && a.gone() {
		return nil // who asks again finds that, too, and begins anew
	}
	return repeatable(a.pending.ID, remembers, err)
}

// repeatable returns why a call must not be repeated: a device that does not remember would run it again.
func repeatable(id string, remembers bool, err error) error {
	switch {
	case err != nil:
		return &CallUnknownError{id, fmt.Errorf("%w: %w", owner.ErrOutcomeUnknown, err)}
	case !remembers:
		return &CallUnknownError{Err: owner.ErrOutcomeUnknown}
	}
	return nil
}

// tell tells how it is going.
func (r CallRequest) tell(words string) {
	if r.Progress != nil {
		r.Progress(words)
	}
}
