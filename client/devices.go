package client

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"xtls-agent/owner"
)

// Device is a device that was paired, and what is remembered of it.
type Device struct {
	owner.Device
	Addr     string   // where it was last seen on the LAN, host:port
	As       string   // the own JID that it knows
	Commands []string // what it offered when it was asked last
}

// Devices lists the devices that were paired, in the order of pairing.
func (c *Client) Devices() []Device {
	var out []Device
	for _, d := range c.keys.Devices.All() {
		p := c.placeOf(d.JID)
		out = append(out, Device{d, p.Addr, p.As, p.Commands})
	}
	return out
}

// Commands lists what the device offers, and remembers the names for completion.
func (s *Session) Commands(ctx context.Context) ([]owner.Command, error) {
	return s.c.commands(ctx, s.Session)
}

func (c *Client) commands(ctx context.Context, s *owner.Session) ([]owner.Command, error) {
	items, err := s.Commands(ctx)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(items))
	for _, item := range items {
		names = append(names, item.Node)
	}
	if !slices.Equal(names, c.placeOf(s.Device().JID).Commands) {
		if err := c.updatePlace(s.Device().JID.String(), func(p *place) { p.Commands = names }); err != nil {
			c.cfg.Log.Debug("remembering commands", "err", err)
		}
	}
	return items, nil
}

// Forgotten says what came of Forget.
type Forgotten struct {
	Devices []owner.Device
	// Asked is nil if the device has removed this client too; else why not.
	Asked error
}

// Forget removes the records of a device here. Before, it asks the device to remove this client, if the
// device can be reached; that it cannot is no error.
func (c *Client) Forget(ctx context.Context, t Target) (Forgotten, error) {
	if t.JID.String() == "" {
		return Forgotten{}, usagef("say which device to forget by its name or JID: see xtlsctl devices")
	}
	out := Forgotten{Devices: c.keys.Devices.ByJID(t.JID.Bare())}
	if len(out.Devices) == 0 {
		return out, fmt.Errorf("%s: %w", t.JID.Bare(), owner.ErrNotPaired)
	}
	if out.Asked = c.askToBeRemoved(ctx, t); ctx.Err() != nil {
		return out, context.Cause(ctx)
	}
	for _, d := range out.Devices {
		if err := c.keys.Forget(d); err != nil {
			return out, err
		}
	}
	return out, c.updatePlace(t.JID.Bare().String(), func(p *place) { *p = place{} })
}

// errRemains: the device said no.
var errRemains = errors.New("the device keeps this client as its owner")

func (c *Client) askToBeRemoved(ctx context.Context, t Target) error {
	s, err := c.Open(ctx, t)
	if err != nil {
		return err
	}
	defer s.Close()
	self := s.conn.Session().LocalAddr().Bare().String()
	res, err := s.Call(ctx, "owners", func(*owner.Form) (owner.Values, error) {
		return owner.Values{"remove": {self}, "fingerprint": {c.Fingerprint()}}, nil
	})
	switch {
	case errors.Is(err, owner.ErrOutcomeUnknown) && s.ended(): // as a device does to an owner whom it removes
		return nil
	case err != nil:
		return err
	case res.Failure != "":
		return fmt.Errorf("%w: %s", errRemains, res.Failure)
	}
	return nil
}

// ended reports whether the device has ended the session.
func (s *Session) ended() bool {
	select {
	case <-s.Done():
		return true
	default:
		return false
	}
}
