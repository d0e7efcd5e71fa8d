package e2e

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"xtls-agent/internal/prove"
	"xtls-agent/internal/state"
	"xtls-agent/trust"
)

// forgetting is a way to make a device forget somebody, in which the power goes.
type forgetting struct {
	name string
	// start begins it and returns what tells whether it was acknowledged; nil if nobody is answered.
	start func(b *box) *running
	// copies is how many copies of files the device puts under their names meanwhile.
	copies int
}

var forgettings = []forgetting{
	{"owners remove", func(b *box) *running { return b.beginLocal("owners", "remove", b.ownerJIDs()[0]) }, 2},
	{"reset", func(b *box) *running { return b.beginLocal("reset") }, 8}, // owners, counters, the old identity, the new one
	{"button held for 10 s", func(b *box) *running { b.press("hold 10"); return nil }, 8},
}

// DESIGN §5: "removals, counters and wipes are in both copies before they are acknowledged". The power goes meanwhile:
// the device comes back with the owner or without, whole either way, and an owner whose removal was acknowledged never
// comes back.
func TestPowerCutsWhileForgetting(t *testing.T) {
	t.Parallel()
	seed := prove.Seed(t)
	for i := range prove.Rounds(t, 6, 60) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			mine := seed + uint64(i)
			prove.Round(t, mine)
			chance := rand.New(rand.NewPCG(mine, 1))
			how := forgettings[mine%uint64(len(forgettings))]
			n, delay := 1+chance.IntN(how.copies), time.Duration(chance.IntN(2000))*time.Microsecond
			defer func() {
				if t.Failed() {
					t.Logf("seed %d: %s, cut after copy %d and %v", mine, how.name, n, delay)
				}
			}()
			cutWhileForgetting(newWorld(t), how, n, delay)
		})
	}
}

func cutWhileForgetting(w *world, how forgetting, n int, delay time.Duration) {
	b, romeo := w.newBox(boxConfig{}).start(), w.newOwner("romeo")
	used := b.pin()
	romeo.pair(b.lan(), used).want(0)
	copies := w.watchRenames(b.stateFolder())
	asked := how.start(b)
	gone := make(chan struct{})
	if asked != nil {
		gone = asked.done
	} else {
		time.AfterFunc(patience, func() { close(gone) })
	}
	soon(func() bool { return copies.all() >= n }, gone)
	time.Sleep(delay)
	b.kill()
	acknowledged := asked != nil && asked.wait().code == 0

	b.start()
	still := romeo.ctl("call", b.lan(), "lamp", "state=on").code == 0
	w.Logf("%s, cut after copy %d of %d: acknowledged %v, still owned %v", how.name, n, how.copies, acknowledged, still)
	if acknowledged && still {
		w.Error("an owner came back whose removal was acknowledged")
	}
	b.checkWhole(still)
	b.kill() // once more: what has been read stays
	b.start()
	if again := romeo.ctl("call", b.lan(), "lamp", "state=on").code == 0; again != still {
		w.Errorf("first the owner was there: %v, then: %v", still, again)
	}
	b.checkWhole(still)
	if !still {
		romeo.pair(b.lan(), b.pin(used)).want(0) // its PIN is on the display, since it belongs to nobody
		romeo.calls(b.lan())
	}
}

// checkWhole checks that a device belongs to somebody or to nobody, and is not locked.
func (b *box) checkWhole(owned bool) {
	b.w.Helper()
	if got := len(b.ownerJIDs()) > 0; got != owned {
		b.w.Errorf("the owner can call: %v, the device holds him: %v", owned, got)
	}
	b.checkStatus(owned)
}

// ownerJIDs reads who is an owner in the device's folder.
func (b *box) ownerJIDs() []string {
	b.w.Helper()
	dir, err := state.Open(b.w.copyFolder(b.stateFolder()), nil)
	if err != nil {
		b.w.Fatal(err)
	}
	defer dir.Close()
	peers, err := trust.LoadPeers(dir, "owners", trust.Owners)
	if err != nil {
		b.w.Fatal(err)
	}
	var out []string
	for _, r := range peers.All() {
		out = append(out, r.JID.String())
	}
	return out
}

// A second owner leaves by `xtlsctl forget`, and the power goes on his side or the device's. He can always end it, the
// admin stays, and the device holds nobody whom it has removed.
func TestPowerCutsWhileLeaving(t *testing.T) {
	t.Parallel()
	seed := prove.Seed(t)
	for i := range prove.Rounds(t, 3, 20) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			mine := seed + uint64(i)
			prove.Round(t, mine)
			chance := rand.New(rand.NewPCG(mine, 2))
			cutWhileLeaving(newWorld(t), mine%3, 1+chance.IntN(2), time.Duration(chance.IntN(2000))*time.Microsecond)
		})
	}
}

func cutWhileLeaving(w *world, where uint64, n int, delay time.Duration) {
	b, romeo, juliet := w.newBox(boxConfig{}).start(), w.newOwner("romeo"), w.newOwner("juliet")
	used := b.pin()
	romeo.pair(b.lan(), used, "--name", "telly").want(0)
	b.local("pairing", "open").want(0)
	juliet.pair(b.lan(), b.pin(used), "--name", "telly").want(0)
	device, hers := w.watchRenames(b.stateFolder()), w.watchRenames(juliet.dir)
	leaving := juliet.begin("", "forget", "telly")
	moment := func() bool { return device.count("owners") >= n }
	if where == 2 {
		moment = func() bool { return hers.count("devices") >= n }
	}
	soon(moment, leaving.done)
	time.Sleep(delay)
	if where == 0 {
		b.kill()
	} else {
		_ = leaving.cmd.Process.Kill()
	}
	left := leaving.wait().code == 0
	if b.process == nil {
		b.start()
	}
	owners := len(b.ownerJIDs())
	w.Logf("cut %d after copy %d: she has left %v, owners on the device %d", where, n, left, owners)
	if left {
		juliet.ctl("call", b.lan(), "lamp", "state=on").want(3)
	} else if forgets := juliet.ctl("forget", "telly"); forgets.code != 0 && forgets.code != 3 {
		w.Errorf("she cannot leave any more: exit code %d: %s", forgets.code, forgets.stderr)
	}
	romeo.calls(b.lan())
	b.kill()
	b.start()
	if again := len(b.ownerJIDs()); again > owners || again < 1 {
		w.Errorf("owners on the device: %d, then %d", owners, again)
	}
	romeo.calls(b.lan())
}
