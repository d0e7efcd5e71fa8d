package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/owner"
)

// introduceTimeout bounds a convenience.
const introduceTimeout = 30 * time.Second

// introduce opens a first session over the server with a device that was paired on the LAN. A JID on the LAN is only
// a claim, so it has no rights on the device's server link before x509 has succeeded from it there (DESIGN §4,
// "Who may try"), and the device does not even show itself to it. Where it is, it says over the encrypted session.
// A device without a server, or a client without an account, has nothing to be introduced by: that is no error.
func (c *Client) introduce(ctx context.Context, s *owner.Session, as jid.JID) error {
	if c.account == nil || !as.Equal(c.account.JID) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, introduceTimeout)
	defer cancel()
	res, err := s.Call(ctx, "status", func(*owner.Form) (owner.Values, error) { return nil, nil })
	if err != nil {
		return fmt.Errorf("client: asking the device where it is: %w", err)
	}
	full, online, err := onServer(res, s.Device().JID)
	if err != nil || !online {
		return err
	}
	link, err := dialServer(ctx, c.account, c.cfg.Log)
	if err != nil {
		return err
	}
	o := owner.New(link, c.keys, c.ownerConfig())
	defer o.Close()
	first, err := o.Open(ctx, full)
	if err != nil {
		return err
	}
	first.Close()
	return nil
}

// errOffline: the device has an account, but is not online now.
var errOffline = errors.New("the device is not connected to its server now")

// onServer reads the full JID of the device from its status: its links are "NAME ADDRESS: STATE".
func onServer(status owner.Result, device jid.JID) (full jid.JID, online bool, err error) {
	links := status.Form.Field("links")
	if links == nil {
		return jid.JID{}, false, nil
	}
	for _, text := range links.Values {
		_, rest, _ := strings.Cut(text, " ")
		addr, _, _ := strings.Cut(rest, ": ")
		j, err := jid.Parse(addr)
		if err != nil || !j.Bare().Equal(device) {
			continue
		}
		if j.Resourcepart() != "" {
			return j, true, nil
		}
		return jid.JID{}, false, errOffline
	}
	return jid.JID{}, false, nil
}
