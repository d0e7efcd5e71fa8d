package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"xtls-agent/internal/testpeer"
)

// The scenarios on real servers, in the order of the table in server_test.go.

func pairAndCall(w *world, s setting) {
	b, romeo := w.newPair(s, boxConfig{})
	b.start()
	r := romeo.pairs(b, b.jid, "--name", "telly").want(0, "paired with telly ("+b.jid+")", "both sides show")
	b.showed("Paired with " + romeo.jid)
	if code := codeOf(r); code == "" || !strings.Contains(flat(b.screen.all()), "Both show "+code) {
		w.Errorf("the owner shows %q, the device:\n%s", code, b.screen.all())
	}
	romeo.calls("telly")
	romeo.calls(b.jid)
	romeo.ctl("call", "telly", "lamp", "state=off").want(0, "the lamp is off")
	romeo.ctl("commands", "telly").want(0, "lamp", "Lamp", "status", "pair", "owners")
	romeo.ctl("call", "telly", "status").want(0, s.device+" "+b.jid, "online", romeo.jid)
	romeo.ctl("devices").want(0, "telly", b.jid)
	b.local("owners").want(0, romeo.jid, "admin")
	w.Logf("pairing took %v", r.took.Round(time.Millisecond))
}

// codeOf is the six digits that the owner's program shows, as "123 456".
func codeOf(r *result) string {
	_, after, _ := strings.Cut(r.stdout, "both sides show ")
	code, _, _ := strings.Cut(after, ",")
	return code
}

// A PIN is spent at the first try (DESIGN §4); the owner's program does not try again by itself.
func wrongPIN(w *world, s setting) {
	b, romeo := w.newPair(s, boxConfig{})
	first := b.start().pin()
	romeo.pair(b.jid, another(first)).want(4, "wrong PIN: look at the display for the new PIN")
	b.showed("Wrong PIN, here is a new one.")
	second := b.pin(first)
	romeo.pair(b.jid, first).want(4) // the one that was right before
	third := b.pin(first, second)
	romeo.ctl("call", b.jid, "lamp", "state=on").want(3, "pair with it first")
	// Two wrong ones a window from one address are what it gets.
	romeo.pair(b.jid, third).want(6, "press the button")
	b.press("press")
	romeo.pair(b.jid, b.pin(first, second, third)).want(0)
	romeo.calls(b.jid)
}

// A slip of the finger costs no PIN.
func pinWithLetters(w *world, s setting) {
	b, romeo := w.newPair(s, boxConfig{})
	pin := b.start().online().pin()
	for _, typed := range []string{"1234567O", "12345678 90", "", "swordfish"} {
		if r := romeo.pair(b.jid, typed); r.code != 2 {
			w.Errorf("PIN %q: exit code %d: %s", typed, r.code, r.stderr)
		}
	}
	if now := b.pin(); now != pin {
		w.Errorf("the display shows another PIN than before")
	}
}

func closedWindow(w *world, s setting) {
	b, romeo := w.newPair(s, boxConfig{})
	pin := b.start().online().pin()
	b.local("pairing", "close").want(0, "closed")
	b.shows("Pairing is closed. Press the button to open it.")
	romeo.pair(b.jid, pin).want(5, "press its button") // it does not show itself
	b.press("press")
	romeo.pairs(b, b.jid)
	// To an owner the device shows itself, also when nothing is open.
	romeo.pair(b.jid, pin).want(6, "press the button on the device")
	romeo.calls(b.jid)
}

// The shortest window that can be configured is a minute.
func expiredWindow(w *world, s setting) {
	b, romeo := w.newPair(s, boxConfig{more: "[pairing]\nwindow = \"1m\"\n"})
	start := time.Now()
	pin := b.start().online().pin()
	w.waitUntil("the window ends", 90*time.Second, func() bool { return b.screen.pin() == "" })
	if open := time.Since(start); open < 58*time.Second || open > 75*time.Second {
		w.Errorf("the window was open for %v", open)
	}
	b.shows("Pairing is closed. Press the button to open it.")
	b.local("status").want(0, "closed")
	romeo.pair(b.jid, pin).want(5, "press its button")
	b.press("press")
	romeo.pairs(b, b.jid)
}

const slowCommand = `
[[command]]
name = "slow"
exec = ["/bin/sh", "-c", "echo > STARTED; exec sleep 40"]
timeout = "50s"
`

// DESIGN §4: who may try once the device is owned, roles, and removal, which ends open sessions.
func severalOwners(w *world, s setting) {
	started := filepath.Join(w.dir, "started")
	b, romeo := w.newPair(s, boxConfig{more: strings.Replace(slowCommand, "STARTED", started, 1)})
	romeo.pairs(b.start(), b.jid)
	juliet := w.newOwner("juliet").account(s.server, s.owner)
	tybalt := w.newOwner("tybalt").account(s.server, s.owner)

	romeo.ctl("call", b.jid, "pair", "allow="+juliet.jid).want(0, "the PIN is on the device's display")
	tybalt.pair(b.jid, b.pin()).want(5, "does not answer") // he was not named
	juliet.pairs(b, b.jid)
	juliet.calls(b.jid)
	list := romeo.ctl("call", b.jid, "owners").want(0, romeo.jid, juliet.jid, "admin", "owner").stdout
	if strings.Contains(list, tybalt.jid) {
		w.Errorf("owners:\n%s", list)
	}
	juliet.ctl("call", b.jid, "owners", "remove="+romeo.jid).want(7, "admin")
	romeo.calls(b.jid)

	ended := make(chan *result, 1)
	go func() { ended <- juliet.ctl("call", b.jid, "slow", "--timeout", "25s") }()
	w.waitUntil("the command runs", patience, func() bool { _, err := os.Stat(started); return err == nil })
	start := time.Now()
	romeo.ctl("call", b.jid, "owners", "remove="+juliet.jid).want(0, "no owner any more")
	if r := <-ended; r.code == 0 || !strings.Contains(r.stderr, "reconnecting…") {
		w.Errorf("the removed owner's session went on for %v: exit code %d: %s", time.Since(start), r.code, r.stderr)
	}
	// To whom it would not let in the device does not show itself, be it gone or not.
	juliet.ctl("call", b.jid, "lamp", "state=on").want(5, "does not answer")
	juliet.pair(b.jid, "1234 5679").want(5, "does not answer")
	romeo.calls(b.jid)
}

// A device that claims not to know its owner: "it was reset, or somebody interferes", never a PIN prompt.
func reset(w *world, s setting) {
	b, romeo := w.newPair(s, boxConfig{})
	romeo.pairs(b.start(), b.jid, "--name", "telly")
	b.local("reset").want(0, "forgotten")
	pin := b.pin()
	r := romeo.ctl("call", "telly", "lamp", "state=on").want(6, "it was reset, or somebody interferes")
	if strings.Contains(strings.ToLower(r.stderr), "pin:") {
		w.Errorf("asked for a PIN:\n%s", r.stderr)
	}
	b.local("owners").want(0)
	romeo.pair(b.jid, pin).want(0)
	romeo.calls("telly")

	b.press("hold 10")
	b.waitLog("hold for 10 s")
	romeo.pairs(b, b.jid)
	romeo.calls("telly")
}

// A device that is switched off, in order or by taking its power, knows its owner when it comes back.
func restarts(w *world, s setting) {
	b, romeo := w.newPair(s, boxConfig{})
	romeo.pairs(b.start(), b.jid)
	b.stop()
	b.start().online()
	romeo.calls(b.jid)
	b.kill()
	b.start().online()
	romeo.calls(b.jid)
	if pin := b.screen.pin(); pin != "" {
		w.Errorf("an owned device opened a window at its start")
	}
	// Power lost at once after a pairing.
	b.local("reset").want(0)
	romeo.pairs(b, b.jid)
	b.kill()
	b.start().online()
	romeo.calls(b.jid)
}

func twoDevices(w *world, s setting) {
	lamp, romeo := w.newPair(s, boxConfig{name: "lamp"})
	telly := w.newBox(boxConfig{name: "telly", server: s.server, link: s.device, noLAN: true})
	romeo.pairs(lamp.start(), lamp.jid, "--name", "desk")
	romeo.pairs(telly.start(), telly.jid, "--name", "screen")
	romeo.calls("desk")
	romeo.calls("screen")
	romeo.ctl("call", "desk", "status").want(0, lamp.jid)
	romeo.ctl("call", "screen", "status").want(0, telly.jid)
	if r := romeo.ctl("forget", "desk").want(0, "forgot desk"); !strings.Contains(r.stderr, "the last owner can be removed only at the device itself") {
		w.Errorf("forgetting as the last owner:\n%s", r.stderr)
	}
	romeo.ctl("call", "desk", "status").want(3)
	romeo.calls("screen")
}

func offline(w *world, s setting) {
	b, romeo := w.newPair(s, boxConfig{})
	romeo.pairs(b.start(), b.jid)
	b.stop()
	r := romeo.ctl("call", b.jid, "lamp", "state=on").want(5, "is it switched on")
	if r.took > 40*time.Second {
		w.Errorf("it took %v to say so", r.took)
	}
}

// LAN preferred, and a name that was learnt there: DESIGN §4, who may try, and §6.
func lanNameOnServer(w *world, s setting) {
	b := w.newBox(boxConfig{server: s.server, link: s.device})
	romeo := w.newOwner("romeo").account(s.server, s.owner)
	romeo.pairs(b.start().online(), b.lan(), "--name", "telly")
	romeo.calls("telly")
	b.stop()
	b.change("enabled = true", "enabled = false")
	b.start().online()
	romeo.calls("telly") // over the server now
}

func login(w *world, s setting) {
	romeo := w.newOwner("romeo")
	user, password := unique("romeo"), w.newPassword()
	s.server.Register(w, user, password)
	jid := user + "@" + s.server.Domain
	stranger := *s.server
	stranger.CAFile = testpeer.NewAuthority(w).CAFile
	nobody := *s.server
	nobody.Addr = "127.0.0.1:1"

	romeo.ctl("identity").want(0)
	before := w.fingerprintOf(romeo.dir)
	if r := romeo.login(s.server, s.owner, jid, w.newPassword()); r.code != 1 && r.code != 2 || !strings.Contains(r.stderr, "password") {
		w.Errorf("wrong password: exit code %d: %s", r.code, r.stderr)
	}
	romeo.login(&stranger, s.owner, jid, password).want(1, "certificate")
	romeo.login(&nobody, s.owner, jid, password).want(5, "127.0.0.1:1")
	romeo.login(s.server, s.owner, "@@", password).want(2, "@@")
	romeo.login(s.server, s.owner, s.server.Domain, password).want(2)
	romeo.login(s.server, "bosh", jid, password).want(2, "bosh")
	if w.fingerprintOf(romeo.dir) != before {
		w.Error("a login that failed changed something")
	}
	romeo.login(s.server, s.owner, jid, password).want(0, jid)
	romeo.ctl("identity").want(0, jid)
}
