package client

import (
	"context"

	"xtls-agent/owner"
	"xtls-agent/xmpp/lan"
)

// DialLAN opens a direct link to a device at "HOST[:PORT]", as user on this machine.
func DialLAN(ctx context.Context, addr, user string) (owner.Link, error) {
	local, err := lan.LocalJID(user)
	if err != nil {
		return nil, err
	}
	link, err := lan.Dial(ctx, addr, local)
	if err != nil {
		return nil, err
	}
	return link, nil
}
