package e2e

import (
	"strings"
	"testing"
	"time"

	"xtls-agent/internal/prove"
	"xtls-agent/internal/testpeer"
)

// Bad lines: slow, far, in single bytes. That the lines are as bad as they say is tested where they are made, in
// testpeer. What stands still is in stalls_test.go.

// modem is a line of 1 kB/s to somewhere far.
func modem(seed uint64) testpeer.Line {
	return testpeer.Line{Rate: 1000, Delay: 300 * time.Millisecond, Jitter: 50 * time.Millisecond, Seed: seed}
}

// crumbs is a line that splits everything into single bytes.
func crumbs(seed uint64) testpeer.Line { return testpeer.Line{Piece: 1, Seed: seed} }

// Without a server: a wrong PIN, pairing and a call.
func TestBadLineOnTheLAN(t *testing.T) {
	t.Parallel()
	for name, line := range map[string]testpeer.Line{"1 kB/s, 300 ms": modem(prove.Seed(t)), "single bytes": crumbs(prove.Seed(t))} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b := w.newBox(boxConfig{}).start()
			relay := testpeer.NewLine(t, strings.TrimPrefix(b.lan(), "lan:"), line)
			w.pairsOver(b, w.newOwner("romeo"), "lan:"+relay.Addr)
		})
	}
}

// pairsOver types a wrong PIN, pairs, and calls. However long it takes, what is said is right.
func (w *world) pairsOver(b *box, romeo *person, address string) {
	w.Helper()
	first := b.pin()
	wrong := romeo.pair(address, another(first)).want(4, "wrong PIN: look at the display for the new PIN")
	pair := romeo.pair(address, b.pin(first)).want(0)
	call := romeo.calls(address)
	w.Logf("a wrong PIN took %v, pairing %v, a call %v", seconds(wrong), seconds(pair), seconds(call))
}

func seconds(r *result) time.Duration { return r.took.Round(time.Second) }

// far names who has the bad line to the server.
var far = []string{"device", "owner", "both"}

// Through a server, all links: the whole of it, login included, goes over the line.
func TestBadLineToTheServer(t *testing.T) {
	t.Parallel()
	seed := prove.Seed(t)
	for kind, start := range servers {
		if kind != "Prosody" && !prove.Whole() {
			continue
		}
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			server := start(t, testpeer.XMPPOptions{})
			for name, cell := range cells {
				cell.server = server
				for i, who := range far {
					if !prove.Whole() && (name != "c2s and go-xmpp" || who != "both") { // the worst
						continue
					}
					t.Run(name+", slow: "+who, func(t *testing.T) {
						t.Parallel()
						newWorld(t).pairsFar(cell, who, modem(seed+uint64(i)))
					})
				}
				if prove.Whole() {
					t.Run(name+", single bytes", func(t *testing.T) {
						t.Parallel()
						newWorld(t).pairsFar(cell, "both", crumbs(seed))
					})
				}
			}
		})
	}
}

func (w *world) pairsFar(s setting, who string, line testpeer.Line) {
	w.Helper()
	b, romeo := w.newFarPair(s, who, testpeer.NewLine(w, s.server.Addr, line))
	b.start()
	w.waitUntil("the device is online", 2*time.Minute, func() bool { return b.timesOnline() > 0 })
	if prove.Whole() {
		w.pairsOver(b, romeo, b.jid)
		return
	}
	w.Logf("pairing took %v", seconds(romeo.pairs(b, b.jid)))
}

// newFarPair is newPair, with a line between the server and the device, the owner or both.
func (w *world) newFarPair(s setting, who string, line *testpeer.Relay) (*box, *person) {
	w.Helper()
	config := boxConfig{server: s.server, link: s.device, noLAN: true}
	near, beyond := s.server, *s.server
	beyond.Addr = line.Addr
	if who != "owner" {
		config.addr = line.Addr
	}
	if who != "device" {
		near = &beyond
	}
	return w.newBox(config), w.newOwner("romeo").account(near, s.owner)
}
