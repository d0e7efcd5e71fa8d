package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"xtls-agent/internal/testpeer"
)

// recovery is what a device may take to come back online once its server is there again. It waits twice as long after
// each try in vain, and these outages follow each other too closely for it to begin anew.
const recovery = 100 * time.Second

// The server is not there when the device starts, comes, goes in order, and is killed: the device comes back by itself.
// Meanwhile owners on the LAN go on as before.
func TestServerComesAndGoes(t *testing.T) {
	t.Parallel()
	for kind, start := range servers {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			server := start(t, testpeer.XMPPOptions{})
			var boxes []*box
			for _, link := range links {
				boxes = append(boxes, w.newBox(boxConfig{name: "box-" + link, server: server, link: link}))
			}
			romeo := w.newOwner("romeo").account(server, "go-xmpp")
			server.Stop(t)
			for _, b := range boxes {
				b.start().waitLog("not connected.*connection refused")
				b.local("status").want(0, "waiting until")
			}
			w.comesBack(boxes, "was not there", func() { server.Start(t) })
			for _, b := range boxes {
				romeo.pairs(b, b.jid)
				romeo.calls(b.lan()) // and learns where it is on the LAN
			}
			server.Stop(t)
			for _, b := range boxes {
				romeo.calls(b.jid) // the LAN is preferred, and enough
			}
			w.comesBack(boxes, "was stopped", func() { server.Start(t) })
			w.comesBack(boxes, "was killed", func() {
				server.Kill(t)
				server.Start(t)
			})
			juliet := w.newOwner("juliet").account(server, "c2s") // who knows no address on the LAN
			for _, b := range boxes {
				romeo.ctl("call", b.jid, "pair", "allow="+juliet.jid).want(0)
				juliet.pairs(b, b.jid)
				juliet.calls(b.jid)
			}
		})
	}
}

// comesBack starts the server and measures until the devices are online again.
func (w *world) comesBack(boxes []*box, what string, start func()) {
	w.Helper()
	before := make([]int, len(boxes))
	for i, b := range boxes {
		before[i] = b.timesOnline()
	}
	start()
	started := time.Now()
	back := make([]bool, len(boxes))
	w.waitUntil("all devices are online again", recovery, func() bool {
		for i, b := range boxes {
			if !back[i] && b.timesOnline() > before[i] {
				back[i] = true
				w.Logf("the server %s: %s online %v later", what, b.name, time.Since(started).Round(100*time.Millisecond))
			}
		}
		return !slices.Contains(back, false)
	})
}

func (b *box) timesOnline() int { return strings.Count(b.log.String(), "msg=online") }

// Debian's stock configurations slow clients down: Prosody to 10 kB/s, ejabberd to 3 kB/s (PEERS.md). Users have that.
func TestStockLimits(t *testing.T) {
	t.Parallel()
	for kind, start := range servers {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			server := start(t, testpeer.XMPPOptions{StockLimits: true})
			for _, name := range []string{"c2s and go-xmpp", "go-xmpp and c2s"} {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					cell := cells[name]
					cell.server = server
					w := newWorld(t)
					b, romeo := w.newPair(cell, boxConfig{})
					pair := romeo.pairs(b.start().online(), b.jid)
					call := romeo.calls(b.jid)
					w.Logf("pairing took %v, a call %v", pair.took.Round(100*time.Millisecond), call.took.Round(100*time.Millisecond))
				})
			}
		})
	}
}
