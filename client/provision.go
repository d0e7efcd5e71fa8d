package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/owner"
	"xtls-agent/xmpp/lan"
)

// How long a device may take to come online with the account that it was given, and how often it may answer and fail: one that had
// the account before goes offline while it begins anew.
const (
	meetTimeout = 90 * time.Second
	meetTries   = 8
)

// NewDeviceAccount checks what a person typed, before anybody is asked. caFile is read: the device cannot.
func NewDeviceAccount(address, password, server, caFile string) (owner.Account, error) {
	checked, err := NewAccount(address, password, server, caFile, LinkC2S)
	if err != nil {
		return owner.Account{}, err
	}
	a := owner.Account{JID: checked.JID, Password: checked.Password, Server: server}
	if caFile != "" {
		pem, err := readPEM(caFile)
		if err != nil {
			return owner.Account{}, &UsageError{fmt.Errorf("reading the CA file: %w", err)}
		}
		a.CA = string(pem)
	}
	if err := a.Check(); err != nil {
		return owner.Account{}, &UsageError{err}
	}
	return a, nil
}

// ProvisionRequest says which device is given which account.
type ProvisionRequest struct {
	Target   Target
	Account  owner.Account
	Progress func(step string)
}

// Provisioned is a device that has taken its account.
type Provisioned struct {
	JID  jid.JID
	Name string // how the person calls it
	// NotMet is why the device was not reached over the server; nil: it was.
	NotMet error
}

// Provision gives a device its account at a server. The device tries the account first. Then this side knows the device by
// its new address, under the name that the person gave it, and opens a first session there: only that gives this client an owner's
// rights on the device's server link, where its name was a claim so far (DESIGN §4, "Who may try").
func (c *Client) Provision(ctx context.Context, r ProvisionRequest) (*Provisioned, error) {
	r.Progress("opening a session with the device")
	s, err := c.Open(ctx, r.Target)
	if err != nil {
		return nil, err
	}
	var as jid.JID // zero: the device knows this client by its account
	if c.account != nil && !s.conn.Session().LocalAddr().Bare().Equal(c.account.JID) {
		as = c.account.JID
	}
	r.Progress("the device logs in as " + r.Account.JID.String())
	err = s.Provision(ctx, r.Account, as)
	s.Close()
	if err != nil {
		return nil, err
	}
	name, err := c.follow(s.Device(), r.Account.JID)
	if err != nil {
		return nil, fmt.Errorf("the device has the account, but its new address was not kept: %w: provision it again", err)
	}
	r.Progress("meeting the device on its server")
	return &Provisioned{JID: r.Account.JID, Name: name, NotMet: c.meet(ctx, r.Account.JID)}, nil
}

// follow takes a device's new address in the place of the one before.
func (c *Client) follow(d owner.Device, to jid.JID) (name string, err error) {
	at := c.placeOf(d.JID)
	if c.account != nil {
		at.As = c.account.JID.String()
	}
	if !d.JID.Equal(to) {
		if name = d.Name; name == "" {
			name = lan.Name(d.JID)
		}
		if checkName(name) != nil || c.checkFree(name, d.JID) != nil {
			name = ""
		}
		if err := c.keys.Rename(d, to, name); err != nil {
			return "", err
		}
		if err := c.updatePlace(d.JID.String(), func(p *place) { *p = place{} }); err != nil {
			c.cfg.Log.Debug("forgetting an address", "err", err)
		}
	} else {
		name = d.Name
	}
	if err := c.updatePlace(to.String(), func(p *place) { *p = at }); err != nil {
		c.cfg.Log.Debug("remembering an address", "err", err)
	}
	return name, nil
}

// How long a device may take to come back to the LAN under its new address, and how often it is looked for.
const (
	returnTimeout = 15 * time.Second
	returnPause   = 250 * time.Millisecond
)

// awaitOnLAN waits until the device goes by its new address where it was last seen, so that the person's next command finds it.
func (c *Client) awaitOnLAN(ctx context.Context, device jid.JID) {
	p := c.placeOf(device)
	if p.Addr == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, returnTimeout)
	defer cancel()
	there := c.lanWay(p.Addr, lan.Dialer{Local: c.as(p), Remote: device, Timeout: lanDialTimeout})
	for ctx.Err() == nil {
		s, err := c.openVia(ctx, Target{JID: device}, there)
		if err == nil {
			s.Close()
			return
		}
		select {
		case <-time.After(returnPause):
		case <-ctx.Done():
		}
	}
}

// meet opens a first session with the device over this client's own account. The device comes online in these seconds.
func (c *Client) meet(ctx context.Context, device jid.JID) error {
	if c.account == nil {
		c.awaitOnLAN(ctx, device)
		return ErrNoAccount
	}
	ctx, cancel := context.WithTimeout(ctx, meetTimeout)
	defer cancel()
	link, err := dialServer(ctx, c.account, c.cfg.Log)
	if err != nil {
		return err
	}
	o := owner.New(link, c.keys, c.ownerConfig())
	defer o.Close()
	for tries := 0; ; tries++ {
		s, err := o.Open(ctx, device)
		if err == nil {
			s.Close()
			return nil
		}
		if tries >= meetTries && !errors.Is(err, owner.ErrUnreachable) {
			return err
		}
		select {
		case <-time.After(returnPause):
		case <-ctx.Done():
			return err
		}
	}
}
