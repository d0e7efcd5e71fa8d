package e2e

import (
	"strings"
	"testing"

	"xtls-agent/internal/testpeer"
	"xtls-agent/trust"
)

// What a device says that cannot store.
const cannotStore = "The device cannot write to its memory, so it cannot pair."

// boxOn is a device whose state folder lies on a disk of its own.
func (w *world) boxOn(mount func(folder string) *disk) (*box, *disk) {
	w.Helper()
	b := w.newBox(boxConfig{})
	d := mount(b.stateFolder())
	b.wrap = d.enter
	return b, d
}

// holds checks what device and owner hold of each other.
func (w *world) holds(folder, file string, of trust.Set, want trust.State) {
	w.Helper()
	if got := w.known(folder, file, of); got != want {
		w.Errorf("%s holds %q, want %q", file, got, want)
	}
}

// A full disk at the very first start: nothing can be begun, which the display says. It goes on by itself when there is room.
func TestFullDiskAtTheStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b, d := w.boxOn(w.tmpfs)
	d.fill()
	b.start().shows(cannotStore)
	b.waitLog("no space left on device")
	if pin := b.screen.pin(); pin != "" {
		t.Error("a device that can store nobody shows a PIN")
	}
	d.free()
	romeo := w.newOwner("romeo")
	romeo.pairs(b, b.lan())
	romeo.calls(b.lan())
}

// fullAt are moments of a pairing at which the disk fills up, by how many copies of which file the device has stored.
// Before each the line stops, so that nothing goes on until the disk is full.
var fullAt = []struct {
	name   string
	file   string
	copies int
	device trust.State // what the device holds afterwards
	owner  trust.State
	code   int // of xtlsctl pair
}{
	{"between PIN and proof", "", 0, "", "", 4},
	{"after the proof", "pairing", 2, "", "", 1},
	{"after the owner is stored", "owners", 2, trust.Provisional, trust.Provisional, 1},
}

// The disk fills up while somebody pairs. Nothing is claimed that was not stored, the display says why, and with room
// again a person gets on with what he has at hand.
func TestFullDiskWhilePairing(t *testing.T) {
	t.Parallel()
	for _, at := range fullAt {
		t.Run(at.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b, d := w.boxOn(w.tmpfs)
			b.start()
			romeo, pin := w.newOwner("romeo"), b.pin()
			romeo.ctl("identity").want(0)
			relay := testpeer.NewRelay(t, strings.TrimPrefix(b.lan(), "lan:"))
			stored := w.watchRenames(d.outside())
			pairing := romeo.begin(pin+"\n", "pair", "lan:"+relay.Addr, "--pin-stdin")
			if at.copies == 0 {
				soon(func() bool { return strings.Contains(pairing.stderr.String(), "the device answers") }, pairing.done)
			} else if !soon(func() bool { return stored.count(at.file) >= at.copies }, pairing.done) {
				t.Fatalf("%s was never stored: %s", at.file, pairing.wait().stderr)
			}
			relay.Freeze()
			d.fill()
			relay.Thaw()
			pairing.wait().want(at.code)
			b.showed(cannotStore)
			b.waitLog("level=ERROR.*no space left on device")
			b.checkStatus(false)
			w.holds(d.outside(), "owners", trust.Owners, at.device)
			w.holds(romeo.dir, "devices", trust.Devices, at.owner)

			d.free()
			if at.owner == "" {
				romeo.pair(b.lan(), b.pressForPIN()).want(0)
			}
			romeo.calls(b.lan())
			b.checkStatus(true)
		})
	}
}

// A device that is owned serves its owner on a full disk, also after a restart, and forgets nobody: it says that it
// could not.
func TestFullDiskOfAnOwnedDevice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b, d := w.boxOn(w.tmpfs)
	romeo, juliet := w.newOwner("romeo"), w.newOwner("juliet")
	romeo.pairs(b.start(), b.lan())
	d.fill()
	romeo.calls(b.lan())
	b.local("pairing", "open").want(0)
	juliet.pair(b.lan(), b.pin()).want(4)
	b.shows(cannotStore)
	b.local("owners", "remove", jidOf(romeo)).want(7, "no space left on device")
	b.local("reset").want(7, "cannot be reset")
	b.showed("The device cannot be reset.")
	romeo.calls(b.lanOfLife(2))
	b.kill()
	b.start()
	romeo.calls(b.lan())
	b.checkStatus(true)
	d.free()
	b.local("reset").want(0)
	romeo.ctl("call", b.lanOfLife(2), "lamp", "state=on").want(6)
}

// jidOf reads the JID under which a device on the LAN knows a person.
func jidOf(p *person) string {
	p.w.Helper()
	for _, word := range strings.Fields(p.ctl("identity").want(0).stdout) {
		if strings.Contains(word, "@") {
			return word
		}
	}
	p.w.Fatal("no JID")
	return ""
}

// The owner's disk is full: one line that says so, and no pairing on his side; with room again he pairs, or is paired.
func TestFullDiskOfTheOwner(t *testing.T) {
	t.Parallel()
	for _, at := range []struct {
		name   string
		copies int // of the devices that he has stored when his disk fills up; -1: he stores nothing at all
	}{{"at the start", -1}, {"before the device is stored", 0}, {"before it is confirmed", 2}} {
		t.Run(at.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b := w.newBox(boxConfig{}).start()
			romeo, pin := w.newOwner("romeo"), b.pin()
			d := w.tmpfs(romeo.dir)
			romeo.wrap = d.enter
			if at.copies < 0 {
				d.fill()
				romeo.ctl("identity").want(1, "no space left on device", "make room on the disk")
				romeo.pair(b.lan(), pin).want(1, "no space left on device", "make room on the disk")
				d.free()
				romeo.pair(b.lan(), pin).want(0)
				return
			}
			romeo.ctl("identity").want(0)
			relay := testpeer.NewRelay(t, strings.TrimPrefix(b.lan(), "lan:"))
			stored := w.watchRenames(d.outside())
			pairing := romeo.begin(pin+"\n", "pair", "lan:"+relay.Addr, "--pin-stdin")
			soon(func() bool {
				if at.copies == 0 {
					return strings.Contains(pairing.stderr.String(), "the device answers")
				}
				return stored.count("devices") >= at.copies
			}, pairing.done)
			relay.Freeze()
			d.fill()
			relay.Thaw()
			pairing.wait().want(1, "no space left on device", "make room on the disk")
			d.free()
			if at.copies == 0 {
				w.holds(d.outside(), "devices", trust.Devices, "")
				romeo.pair(b.lan(), b.pressForPIN()).want(0)
			}
			romeo.calls(b.lan())
			b.checkStatus(true)
		})
	}
}

// A memory card that turns read-only, as ext4 does after an error. The device goes on with what it knows, forgets nobody
// and lets nobody in, also after a restart. Its owner is still its owner when the card is sound.
func TestFileSystemTurnsReadOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b, d := w.boxOn(w.card)
	romeo, juliet := w.newOwner("romeo"), w.newOwner("juliet")
	romeo.pairs(b.start(), b.lan())
	d.turnReadOnly()
	romeo.calls(b.lan())
	b.local("pairing", "open").want(0)
	juliet.pair(b.lan(), b.pin()).want(4)
	b.shows(cannotStore)
	b.waitLog("level=ERROR.*read-only file system")
	b.local("owners", "remove", jidOf(romeo)).want(7, "read-only file system")
	b.local("reset").want(7, "cannot be reset")
	romeo.calls(b.lanOfLife(2))
	b.checkStatus(true)
	b.kill()

	b.start()
	romeo.calls(b.lan())
	b.checkStatus(true)
	b.local("pairing", "open").want(0)
	juliet.pair(b.lan(), b.pin()).want(4)
	b.shows(cannotStore)
	b.kill()

	d.repair()
	b.start()
	romeo.calls(b.lan())
	b.checkStatus(true)
}

// A new device on a card that cannot be written has nothing to begin with: it says so, and ends.
func TestNewDeviceOnAReadOnlyFileSystem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b, d := w.boxOn(w.card)
	d.turnReadOnly()
	line := append(d.enter, agentProgram, "run", "--config", b.path)
	w.run(program{path: line[0], args: line[1:]}).want(2, b.stateFolder(), "read-only")
}

// The owner's folder lies on a card that turned read-only.
func TestOwnersFileSystemIsReadOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.newBox(boxConfig{}).start()
	romeo, pin := w.newOwner("romeo"), b.pin()
	d := w.card(romeo.dir)
	romeo.wrap = d.enter
	romeo.ctl("identity").want(0)
	d.turnReadOnly()
	romeo.pair(b.lan(), pin).want(1, romeo.dir, "read-only")
	b.checkStatus(false)
	d.repair()
	romeo.pair(b.lan(), pin).want(0)
	romeo.calls(b.lan())
}
