package goxmpp

import (
	"crypto/rand"
	"errors"
	"time"

	"xtls-agent/xmpp"
)

// errSilent is why a link ended whose server gave no sign of life.
var errSilent = errors.New("the server is silent")

// keepAlive asks a silent server for a sign of life (XEP-0199 §4.2): any byte is one. The library's own pings leave a goroutine
// behind for ever.
func (l *Link) keepAlive(interval, timeout time.Duration) {
	for {
		heard := l.relay.heard.Load()
		if !l.pause(interval) {
			return
		}
		if l.relay.heard.Load() != heard || l.relay.waiting.Load() {
			continue
		}
		if l.ping() != nil || !l.pause(timeout) {
			return // the link has ended, or is about to
		}
		if l.relay.heard.Load() == heard {
			l.relay.kill(errSilent)
			return
		}
	}
}

func (l *Link) ping() error {
	return l.WriteStanza(&xmpp.Stanza{Kind: xmpp.IQ, Type: xmpp.Get, ID: l.pingIDs + rand.Text(), Payload: []*xmpp.Element{xmpp.NewElement(xmpp.NSPing, "ping")}})
}

// pause waits for d, and reports whether the link still runs.
func (l *Link) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-l.closing:
	case <-l.relay.dead:
	}
	return false
}
