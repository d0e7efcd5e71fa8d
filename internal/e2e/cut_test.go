package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"xtls-agent/internal/state"
	"xtls-agent/internal/testpeer"
	"xtls-agent/trust"
)

// stage is how far a pairing had come when the power went, read from what both have stored.
type stage int

const (
	beforeDevice    stage = iota // nobody has stored anything
	deviceOnly                   // the device, provisionally
	bothProvisional              // both, provisionally
	deviceConfirmed              // the device, for good
	bothConfirmed                // both, for good
	numStages
)

var stageNames = [numStages]string{"before the device stores", "device only", "both provisional", "device confirmed", "both confirmed"}

func (s stage) String() string { return stageNames[s] }

// victim says whose power goes.
type victim int

const (
	deviceFirst victim = iota
	ownerFirst
	deviceAlone
	ownerAlone
	numVictims
)

// cut is what is drawn for one round.
type cut struct {
	aim    stage
	at     int  // which of the moments of this aim
	freeze bool // the line stops at that moment, so that nobody gets any further
	delay  time.Duration
	victim victim
	gap    time.Duration // between the two
	link   int           // the owner's, on a server
	other  bool          // afterwards somebody else pairs, if the device has no owner
}

func drawCut(aim stage, r *rand.Rand) cut {
	return cut{
		aim: aim, at: r.IntN(64), freeze: r.IntN(4) > 0, delay: time.Duration(r.IntN(5000)) * time.Microsecond,
		victim: victim(r.IntN(int(numVictims))), gap: time.Duration(r.IntN(3000)) * time.Microsecond, other: r.IntN(3) == 0, link: r.IntN(len(links)),
	}
}

// cutRound is one pairing that the power goes in, and what comes after.
type cutRound struct {
	*world
	cut
	box     *box
	romeo   *person
	relay   *testpeer.Relay
	person  func(name string) *person
	address func() string // of the device, once the power is back

	pinBefore             string
	deviceFiles, ctlFiles *renames
}

// onLAN sets a round up on the LAN, through a relay.
func onLAN(w *world, c cut) (r *cutRound, through string) {
	b := w.newBox(boxConfig{}).start()
	relay := testpeer.NewRelay(w, strings.TrimPrefix(b.lan(), "lan:"))
	r = &cutRound{world: w, cut: c, box: b, relay: relay, person: w.newOwner, romeo: w.newOwner("romeo"), address: b.lan}
	r.romeo.ctl("identity").want(0)
	return r, "lan:" + relay.Addr
}

// onServer sets a round up on a server, which the owner reaches through a relay.
func onServer(server *testpeer.XMPPServer) func(w *world, c cut) (*cutRound, string) {
	return func(w *world, c cut) (*cutRound, string) {
		relay := testpeer.NewRelay(w, server.Addr)
		r := &cutRound{world: w, cut: c, box: w.newBox(boxConfig{server: server, noLAN: true}).start().online(), relay: relay}
		r.person = func(name string) *person { return w.newOwner(name).account(server.At(relay.Addr), links[c.link]) }
		r.romeo, r.address = r.person("romeo"), func() string { return r.box.online().jid }
		return r, r.box.jid
	}
}

// play plays a round and returns how far the pairing had come.
func (r *cutRound) play(through string) stage {
	r.Helper()
	r.pinBefore = r.box.pin()
	r.deviceFiles, r.ctlFiles = r.watchRenames(r.box.stateFolder()), r.watchRenames(r.romeo.dir)
	ctl := r.romeo.begin(r.pinBefore+"\n", "pair", through, "--pin-stdin")
	soon(r.moment(ctl), ctl.done)
	if r.freeze {
		r.relay.Freeze()
	}
	time.Sleep(r.delay)
	r.cutPower(ctl)
	r.relay.Cut()
	r.relay.Thaw()
	_ = ctl.wait() // it may have succeeded, failed or been killed
	came := r.stage()
	r.comeBack(came)
	return came
}

// moment is when the power goes.
func (r *cutRound) moment(ctl *running) func() bool {
	renamed := func(of *renames, file string, n int) func() bool { return func() bool { return of.count(file) >= n } }
	said := func(step string) func() bool {
		return func() bool { return strings.Contains(ctl.stderr.String(), step) }
	}
	// A file has two copies, and each side writes the other one down twice.
	moments := map[stage][]func() bool{
		beforeDevice: {
			said("looking for the device"), said("the device answers"), said("proving the PIN"), said("exchanging certificates"),
			renamed(r.deviceFiles, "pairing", 1), renamed(r.deviceFiles, "pairing", 2),
		},
		deviceOnly:      {renamed(r.deviceFiles, "owners", 1), renamed(r.deviceFiles, "owners", 2)},
		bothProvisional: {renamed(r.ctlFiles, "devices", 1), renamed(r.ctlFiles, "devices", 2)},
		deviceConfirmed: {renamed(r.deviceFiles, "owners", 3), renamed(r.deviceFiles, "owners", 4)},
		bothConfirmed:   {renamed(r.ctlFiles, "devices", 3), renamed(r.ctlFiles, "devices", 4)},
	}[r.aim]
	return moments[r.at%len(moments)]
}

// cutPower kills by SIGKILL whom the round has drawn.
func (r *cutRound) cutPower(ctl *running) {
	r.Helper()
	killCtl := func() { _ = ctl.cmd.Process.Kill() } // it may have ended by itself
	switch r.victim {
	case deviceFirst:
		r.box.kill()
		time.Sleep(r.gap)
		killCtl()
	case ownerFirst:
		killCtl()
		time.Sleep(r.gap)
		r.box.kill()
	case deviceAlone:
		r.box.kill()
	case ownerAlone:
		killCtl()
	}
}

// stage reads what both have stored. What cannot be is an error of the test.
func (r *cutRound) stage() stage {
	r.Helper()
	device, owner := r.known(r.box.stateFolder(), "owners", trust.Owners), r.known(r.romeo.dir, "devices", trust.Devices)
	for s, want := range [numStages][2]trust.State{
		beforeDevice: {"", ""}, deviceOnly: {trust.Provisional, ""}, bothProvisional: {trust.Provisional, trust.Provisional},
		deviceConfirmed: {trust.Confirmed, trust.Provisional}, bothConfirmed: {trust.Confirmed, trust.Confirmed},
	} {
		if want == [2]trust.State{device, owner} {
			return stage(s)
		}
	}
	r.Fatalf("the device holds its owner as %q, he holds it as %q: that must never be", device, owner)
	return 0
}

// known reads the state of the one record in a folder, or "" if there is none.
func (w *world) known(folder, file string, of trust.Set) trust.State {
	w.Helper()
	dir, err := state.Open(w.copyFolder(folder), nil)
	if err != nil {
		w.Fatal(err)
	}
	defer dir.Close()
	if _, err := dir.Read(file); errors.Is(err, os.ErrNotExist) {
		w.Errorf("%s is not there", file)
	}
	peers, err := trust.LoadPeers(dir, file, of)
	if err != nil {
		w.Fatal(err)
	}
	all := peers.All()
	if len(all) > 1 {
		w.Fatalf("%d records in %s", len(all), file)
	}
	if len(all) == 0 {
		return ""
	}
	return all[0].State
}

// comeBack gives the power back, and checks what a person finds.
func (r *cutRound) comeBack(came stage) {
	r.Helper()
	restarted := r.box.process == nil
	if restarted {
		r.box.start()
	}
	address := r.address()
	r.box.checkStatus(came >= deviceConfirmed)
	switch {
	case (came == deviceOnly || came == bothProvisional) && r.other:
		r.pairAnew(r.person("juliet"), restarted, address)
		r.romeo.ctl("devices").want(0)
		if came == bothProvisional { // who was half an owner is none any more
			if half := r.romeo.ctl("call", address, "lamp", "state=on"); half.code != 5 && half.code != 6 {
				r.Errorf("who was half an owner: exit code %d: %s%s", half.code, half.stdout, half.stderr)
			}
		}
	case came <= deviceOnly:
		r.romeo.ctl("call", address, "lamp", "state=on").want(3, "pair")
		r.pairAnew(r.romeo, restarted, address)
	default:
		r.romeo.calls(address) // no PIN
	}
	r.box.checkStatus(true)
	r.box.stop()
	r.checkLeftovers()
}

// pairAnew is what a person does who was interrupted: he types the PIN that a device without owner shows when it is
// switched on, or presses the button.
func (r *cutRound) pairAnew(p *person, restarted bool, address string) {
	r.Helper()
	pin := ""
	if restarted {
		pin = r.box.pin()
	} else {
		pin = r.box.pressForPIN()
	}
	p.pair(address, pin).want(0, "paired with")
	p.calls(address)
}

// checkLeftovers looks for files that should not be there once both programs have ended in order.
func (r *cutRound) checkLeftovers() {
	r.Helper()
	for folder, names := range map[string][]string{
		r.box.stateFolder(): {"owners", "identity.pem", "pairing", "news", "token"},
		r.romeo.dir:         {"devices", "identity.pem", "self", "places", "account", "calls"},
	} {
		entries, err := os.ReadDir(folder)
		if err != nil {
			r.Fatal(err)
		}
		for _, e := range entries {
			name := strings.TrimSuffix(strings.TrimSuffix(e.Name(), ".a"), ".b")
			if e.Name() != "lock" && e.Name() != "calls.log" && (name == e.Name() || !slices.Contains(names, name)) {
				r.Errorf("%s lies in %s", e.Name(), filepath.Base(folder))
			}
		}
	}
}

// String tells what was drawn.
func (c cut) String() string {
	return fmt.Sprintf("aimed at %q (%d), frozen %v, after %v, victim %d, gap %v, another person %v",
		c.aim, c.at, c.freeze, c.delay, c.victim, c.gap, c.other)
}
