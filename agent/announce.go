package agent

import (
	"context"
	"sync"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp/lan"
)

// announce tells the LAN that the device is there, by multicast DNS (XEP-0174 §3), until ctx ends: under its address, and
// under the one that it had when an owner met it who gave it an account since.
func (l *life) announce(ctx context.Context, listener *lan.Listener) {
	names := []jid.JID{l.address()}
	if l.account != nil && l.account.given {
		names = append(names, l.lanAddress())
	}
	var announcing sync.WaitGroup
	defer announcing.Wait()
	for _, name := range names {
		announcing.Go(func() {
			if err := listener.Announce(ctx, lan.Presence{Nick: l.cfg.Name.String(), As: name}); err != nil && ctx.Err() == nil {
				l.log.Warn("not announced by multicast DNS", "as", name.String(), "err", err)
			}
		})
	}
}
