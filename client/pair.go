package client

import (
	"context"
	"errors"
	"fmt"

	"xtls-agent/owner"
)

// manyWrongPINs is how many PINs in a row a device may refuse before the person is warned.
const manyWrongPINs = 3

// PairRequest says whom to pair with.
type PairRequest struct {
	Target   Target
	Name     string // how the person calls the device; may be empty
	PIN      func(context.Context) (owner.PIN, error)
	Show     func(context.Context, owner.PIN) error // of a PIN that is typed on the device; see [owner.Request]
	Progress func(owner.Step)
}

// Pairing is a pairing that has come about.
type Pairing struct {
	Session *Session // still open
	Code    string   // the six digits that both programs show
	// NotOnServer is why the device can be reached on the LAN alone although both have an account; else nil.
	NotOnServer error
}

// WrongPINError is an [owner.ErrWrongPIN], with how many there were in a row.
type WrongPINError struct {
	Err  error
	Many bool // three or more: if the PIN is on a label, somebody may be guessing
}

func (e *WrongPINError) Error() string { return e.Err.Error() }
func (e *WrongPINError) Unwrap() error { return e.Err }

// Pair pairs with a device over the first link that can be had to it. A PIN is good for one try: nothing is tried
// again once the device has been found.
func (c *Client) Pair(ctx context.Context, r PairRequest) (*Pairing, error) {
	if err := checkName(r.Name); err != nil {
		return nil, err
	}
	var failures []failure
	for _, w := range c.ways(r.Target) {
		conn, err := c.connect(ctx, w)
		if err == nil {
			return c.pairBy(ctx, conn, r)
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%w: %w", err, context.Cause(ctx))
		}
		c.cfg.Log.Debug("no link", "way", w.text, "err", err)
		failures = append(failures, failure{w, err})
	}
	return nil, c.explain(r.Target, failures)
}

func (c *Client) pairBy(ctx context.Context, conn *connection, r PairRequest) (*Pairing, error) {
	device := r.Target.JID.Bare()
	if there := conn.Session().RemoteAddr(); there.String() != "" {
		device = there.Bare()
	}
	if err := c.checkFree(r.Name, device); err != nil {
		conn.Close()
		return nil, err
	}
	p, err := conn.Pair(ctx, owner.Request{
		Device: r.Target.JID, Name: r.Name, PIN: r.PIN, Show: r.Show, Progress: r.Progress, Now: c.cfg.Now,
	})
	if err != nil {
		conn.Close()
		if errors.Is(err, owner.ErrWrongPIN) {
			return nil, c.wrongPIN(device.String(), err)
		}
		return nil, err
	}
	as := conn.Session().LocalAddr().Bare()
	if err := c.updatePlace(device.String(), func(place *place) {
		place.As, place.WrongPINs = as.String(), 0
		if conn.addr != "" {
			place.Addr = conn.addr
		}
	}); err != nil {
		c.cfg.Log.Warn("the device's address could not be kept", "err", err)
	}
	out := &Pairing{Session: &Session{p.Session, conn.way.text, conn, c}, Code: p.Code}
	if conn.way.lan {
		out.NotOnServer = c.introduce(ctx, p.Session, as)
	}
	return out, nil
}

func (c *Client) wrongPIN(device string, err error) error {
	if err := c.updatePlace(device, func(p *place) { p.WrongPINs++ }); err != nil {
		c.cfg.Log.Debug("counting wrong PINs", "err", err)
	}
	return &WrongPINError{err, c.known()[device].WrongPINs >= manyWrongPINs}
}
