package owner

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// CallUnknownError says that a call was sent and that its outcome is not known.
type CallUnknownError struct {
	ID  string // by which its outcome can be asked for; empty if the device remembers none
	Err error
}

func (e *CallUnknownError) Error() string { return e.Err.Error() }
func (e *CallUnknownError) Unwrap() error { return e.Err }

// CallOnce runs a command once. When the session ends it waits for another one, and asks there for the same call, until the device says
// what came of it. fill answers the command's form, each time it is asked. promise returns the call, with its age at that moment, and is
// called each time before it is sent: whoever may go down should store then that it is sent.
//
// A *[CallUnknownError] says that it was sent, and that what came of it is not known. After any other error it has not run, unless the
// device says otherwise in it.
func (f *Following) CallOnce(ctx context.Context, command string, fill func(*Form) (Values, error), promise func() Call) (Result, error) {
	a := &asking{following: f, command: command, fill: fill, promise: promise}
	return a.outcome(ctx)
}

// asking is a call under way.
type asking struct {
	following *Following
	command   string
	fill      func(*Form) (Values, error)
	promise   func() Call
	id        string        // "" before it was sent
	pause     time.Duration // before a device is asked again that had no room to look
}

// outcome asks until the device says what came of the call.
func (a *asking) outcome(ctx context.Context) (Result, error) {
	s, err := a.following.Session(ctx)
	if err != nil {
		return Result{}, err // nothing was sent
	}
	for {
		res, err := a.ask(ctx, s)
		if !inDoubt(err) {
			return res, err
		}
		if ctx.Err() != nil {
			return res, &CallUnknownError{a.id, err}
		}
		if s, err = a.again(ctx, s, err); err != nil {
			return res, err
		}
	}
}

// inDoubt reports whether err leaves open what came of a call, so that the device must be asked again.
func inDoubt(err error) bool {
	var answered *RequestError
	var known *CallUnknownError
	if !errors.Is(err, ErrOutcomeUnknown) || errors.As(err, &known) {
		return false
	}
	return !errors.As(err, &answered) || answered.Type == Wait // it has no room to look now
}

// saidByDevice reports whether err is what the device answered.
func saidByDevice(err error) bool {
	var answered *RequestError
	return errors.As(err, &answered) || errors.Is(err, ErrProtocol)
}

// ask asks once. A device that cannot store the call is asked to run it as one that cannot be repeated; but once only, since it knows nothing of
// that either when it is asked again.
func (a *asking) ask(ctx context.Context, s *Session) (Result, error) {
	call := a.promise()
	a.id = call.ID
	var unfilled error // it is not to be sent: nothing is in doubt
	fill := func(f *Form) (values Values, err error) {
		values, unfilled = a.fill(f)
		return values, unfilled
	}
	res, err := s.CallOnce(ctx, a.command, fill, call)
	switch {
	case errors.Is(err, ErrCallNotStored) && call.Age == 0:
		if res, err = s.Call(ctx, a.command, a.fill); inDoubt(err) {
			err = &CallUnknownError{Err: fmt.Errorf("%w: %w", ErrCallNotStored, err)}
		}
	case errors.Is(err, ErrCallNotStored):
		err = &CallUnknownError{Err: fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)}
	case errors.Is(err, ErrOutcomeUnknown) && !inDoubt(err): // the device itself does not know
		err = &CallUnknownError{Err: err}
	case err != nil && unfilled == nil && !saidByDevice(err) && !inDoubt(err):
		err = fmt.Errorf("%w: %w", ErrOutcomeUnknown, err) // the session has ended, or is about to: it may have left
	}
	return res, err
}

// How long a device has that has no room to look.
const (
	firstAskPause = 500 * time.Millisecond
	lastAskPause  = 15 * time.Second
)

// again returns a session on which to ask again for a call that is in doubt since err: of a device that remembers.
func (a *asking) again(ctx context.Context, s *Session, err error) (*Session, error) {
	unknown := func(err error) error { return &CallUnknownError{a.id, fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)} }
	if saidByDevice(err) && !s.ended() {
		a.pause = min(max(2*a.pause, firstAskPause), lastAskPause)
		select {
		case <-time.After(a.pause):
			return s, nil
		case <-ctx.Done():
			return nil, unknown(context.Cause(ctx))
		}
	}
	s.end() // whatever was silent
	<-s.Done()
	for {
		s, err := a.following.Session(ctx)
		if err != nil {
			return nil, unknown(err)
		}
		remembers, err := s.Remembers(ctx)
		if err != nil && s.ended() {
			continue
		}
		return s, repeatable(a.id, remembers, err)
	}
}

// repeatable returns why a call must not be repeated: a device that does not remember would run it again.
func repeatable(id string, remembers bool, err error) error {
	switch {
	case err != nil:
		return &CallUnknownError{id, fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)}
	case !remembers:
		return &CallUnknownError{Err: ErrOutcomeUnknown}
	}
	return nil
}
