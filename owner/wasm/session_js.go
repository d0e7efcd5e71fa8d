package main

import (
	"context"
	"sync"
	"syscall/js"

	"xtls-agent/owner"
)

// sessionHandle is an encrypted session of an owner.
type sessionHandle struct {
	number  int
	owner   *ownerHandle
	session *owner.Session
	closed  sync.Once
}

// adopt gives a session its number, and tells JavaScript about it.
func (p *program) adopt(o *ownerHandle, s *owner.Session) (js.Value, error) {
	h := &sessionHandle{owner: o, session: s}
	h.number = add(p, p.sessions, h)
	return value(map[string]any{
		"number": h.number, "security": s.Security(), "device": newDeviceValue(s.Device()),
	})
}

func (p *program) sessionsOf(o *ownerHandle) []*sessionHandle {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []*sessionHandle
	for _, s := range p.sessions {
		if s.owner == o {
			list = append(list, s)
		}
	}
	return list
}

// drop closes a session, once.
func (p *program) drop(s *sessionHandle) {
	s.closed.Do(func() {
		s.session.Close()
		remove(p, p.sessions, s.number)
	})
}

// commands takes (signal).
func (p *program) commands(s *sessionHandle, args []js.Value) (js.Value, error) {
	ctx, done, err := s.owner.start(args[0])
	if err != nil {
		return js.Undefined(), err
	}
	defer done()
	items, err := s.session.Commands(ctx)
	if err != nil {
		return js.Undefined(), err
	}
	list := []commandValue{}
	for _, item := range items {
		list = append(list, commandValue{Name: item.Node, Title: item.Name})
	}
	return value(list)
}

// call takes (command, values, signal): values are an object, or a function that is given each form.
func (p *program) call(s *sessionHandle, args []js.Value) (js.Value, error) {
	if args[0].Type() != js.TypeString {
		return js.Undefined(), usageError("call needs the name of a command")
	}
	ctx, done, err := s.owner.start(args[2])
	if err != nil {
		return js.Undefined(), err
	}
	defer done()
	r, err := s.session.Call(ctx, args[0].String(), answers(ctx, args[1]))
	if err != nil {
		return js.Undefined(), err
	}
	return resultValue(r)
}

// watch takes (function, signal): the function is given each state, one after the other; a promise that it returns is waited for. It settles
// when the session has ended.
func (p *program) watch(s *sessionHandle, args []js.Value) (js.Value, error) {
	if args[0].Type() != js.TypeFunction {
		return js.Undefined(), usageError("watch needs a function that is given each state")
	}
	ctx, done, err := s.owner.start(args[1])
	if err != nil {
		return js.Undefined(), err
	}
	defer done()
	for r := range s.session.Watch(ctx) {
		v, err := value(stateValue{r.Command, r.Word, r.Motion, r.Unknown})
		if err != nil {
			return js.Undefined(), err
		}
		if _, err := askFunc(ctx, args[0], v); err != nil {
			return js.Undefined(), err
		}
	}
	return js.Undefined(), ctx.Err()
}

// answers returns what fills the forms of a command from an object, or by asking a function.
func answers(ctx context.Context, values js.Value) func(*owner.Form) (owner.Values, error) {
	return func(f *owner.Form) (owner.Values, error) {
		if values.Type() != js.TypeFunction {
			return formAnswer(values)
		}
		asked, err := value(newFormValue(f))
		if err != nil {
			return nil, err
		}
		given, err := askFunc(ctx, values, asked)
		if err != nil {
			return nil, err
		}
		return formAnswer(given)
	}
}

// waitSession settles when the session has ended, whoever ended it.
func (p *program) waitSession(s *sessionHandle, _ []js.Value) (js.Value, error) {
	<-s.session.Done()
	p.drop(s)
	return js.Undefined(), nil
}

func (p *program) closeSession(s *sessionHandle, _ []js.Value) (js.Value, error) {
	p.drop(s)
	return js.Undefined(), nil
}
