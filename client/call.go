package client

import (
	"context"
	"errors"
	"time"

	"xtls-agent/owner"
)

// CallRequest is a call of a device's command.
type CallRequest struct {
	Command string
	Fill    func(*owner.Form) (owner.Values, error) // answers the command's form, each time it is asked
	ID      string                                  // of a call that was made before, or to be known by; empty: made
}

const (
	// reachFor is for how long a device is looked for that is to say what came of a call. Who wants to wait longer asks for it by its id.
	reachFor = 2 * time.Minute
	// callQuiet is for how long nothing may come from a device that owes an answer.
	callQuiet = 15 * time.Second
)

// FollowForCall is Follow for who makes a call and goes: the first session is over the link that the account has for that. If its line
// breaks, the call goes on as any that is followed does, by c2s where it goes through the server: a line that broke once will break again.
func (c *Client) FollowForCall(t Target, notify func(owner.Standing, error)) *Following {
	return c.Follow(FollowRequest{Target: t, Notify: notify, patience: reachFor, quiet: callQuiet, once: true})
}

// Call runs a command of the device once; see [owner.Following.CallOnce]. That it was sent is stored before: also another run of the
// program may ask, with its id.
func (f *Following) Call(ctx context.Context, r CallRequest) (owner.Result, error) {
	s, err := f.Session(ctx)
	if err != nil {
		return owner.Result{}, err
	}
	c := f.line.client
	p, err := c.promise(r.ID, s.Device().JID.String(), r.Command)
	if err != nil {
		return owner.Result{}, err
	}
	res, err := f.CallOnce(ctx, r.Command, r.Fill, func() owner.Call {
		call := owner.Call{ID: p.ID, Age: p.age(c.cfg.Now())}
		p.fresh = false
		return call
	})
	var unknown *owner.CallUnknownError
	if !errors.As(err, &unknown) {
		if err := c.settled(p); err != nil {
			c.Note("forgetting a call", err)
		}
	}
	return res, err
}
