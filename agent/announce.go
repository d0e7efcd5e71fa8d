package agent

import (
	"context"

	"xtls-agent/xmpp/lan"
)

// announce tells the LAN that the device is there, by multicast DNS (XEP-0174 §3), until ctx ends.
func (l *life) announce(ctx context.Context, listener *lan.Listener) {
	if err := listener.Announce(ctx, lan.Presence{Nick: l.cfg.Name.String()}); err != nil && ctx.Err() == nil {
		l.log.Warn("not announced by multicast DNS", "err", err)
	}
}
