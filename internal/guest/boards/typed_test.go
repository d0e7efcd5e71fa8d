package boards

import (
	"regexp"
	"strings"
	"testing"

	"xtls-agent/internal/guest"
	"xtls-agent/internal/guest/hand"
)

// shownPIN is how xtlsctl shows a PIN.
var shownPIN = regexp.MustCompile(`([0-9]{4}) ([0-9]{4})`)

// A PIN that the owner's program shows is typed on a remote control, whose keys come from the kernel: a device without a display.
func TestTyped(t *testing.T) {
	t.Parallel()
	m := guest.ARM64()
	m.Name = "arm64, typed"
	b := newBoard(t, guest.Config{Machine: m, Modules: []string{"evdev", "uinput"}})
	b.plugRemote()
	agent := b.agent(`
name = "box"
button = ["evdev:?name=` + remote + `&key=KEY_OK&digits=on"]
state_dir = "/run/state"
run_dir = "/run/agent"
[pairing]
mode = "typed"
`)
	pairing := b.start(hand.Command{Argv: []string{"/bin/xtlsctl", "pair", "lan:127.0.0.1", "--name", "box"}})
	said, err := pairing.Until(b.ctx, shownPIN.MatchString)
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	pin := shownPIN.FindStringSubmatch(said)
	b.step("PIN shown by the owner's program")
	b.waitPlugged(agent, 1)
	b.tap(digit('7'), keyBackspace) // a slip of the finger
	for i, d := range pin[1] + pin[2] {
		if i == 5 { // the receiver has a loose contact
			if err := b.guest.Unplug(b.ctx, remote); err != nil {
				t.Fatal(err)
			}
			b.plugRemote()
			b.waitPlugged(agent, 2)
		}
		b.tap(digit(d))
	}
	b.tap(keyOK)
	if exit, err := pairing.Wait(b.ctx); err != nil || exit.Code != 0 {
		t.Fatalf("pairing: %s, %v\n%s", exit.How, err, exit.Output)
	}
	b.step("PIN typed, and paired")
	b.end(agent)
}

// waitPlugged waits until a box has found an input device that many times.
func (b *board) waitPlugged(agent *guest.Program, times int) {
	b.Helper()
	found := func(said string) bool { return strings.Count(said, "input device found") >= times }
	if said, err := agent.Until(b.ctx, found); err != nil {
		b.Fatalf("%v\n%s", err, said)
	}
}

// tap presses keys of the remote control.
func (b *board) tap(keys ...int) {
	b.Helper()
	for _, key := range keys {
		if err := b.guest.Tap(b.ctx, remote, key); err != nil {
			b.Fatal(err)
		}
	}
}
