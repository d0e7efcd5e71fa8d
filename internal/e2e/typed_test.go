package e2e

import (
	"regexp"
	"testing"
)

// withKeys gives a box a remote control, on which PINs are typed.
func withKeys(c boxConfig) boxConfig {
	c.more += "[pairing]\nmode = \"typed\"\n"
	c.change = replace(`/run/button"]`, `/run/button?digits=on"]`)
	return c
}

var shownPIN = regexp.MustCompile(`(?m)^ +(\d{4} \d{4})$`)

// showing is a pairing that waits for the person at the device, and the PIN that it shows.
type showing struct {
	*running
	pin string
}

// beginsTyped lets a person pair, until he is shown a PIN.
func (p *person) beginsTyped(address string, more ...string) *showing {
	p.w.Helper()
	r := p.w.begin(program{
		path: ctlProgram, args: append([]string{"pair", address}, more...), env: []string{"XTLSCTL_DIR=" + p.dir}, wrap: p.wrap, shows: true,
	})
	s := &showing{running: r}
	p.w.waitUntil("a PIN at the owner's", patience, func() bool {
		if found := shownPIN.FindStringSubmatch(r.stderr.String()); found != nil {
			s.pin = found[1]
		}
		return s.pin != ""
	})
	p.w.secret("a PIN", s.pin)
	p.w.secret("a PIN", digits(s.pin))
	return s
}

const oneWaits, severalWait = "Type the PIN that ", "Several want to pair."

// types presses the keys of a PIN, and OK.
func (b *box) types(pin string) {
	b.w.Helper()
	b.press(pin)
	b.press("ok")
}

// Without a server: a wrong PIN, one that nobody waits for, a window that is closed meanwhile, and the right one. No log holds any.
func TestTypedOnTheLAN(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.newBox(withKeys(boxConfig{})).start()
	at := b.lan()
	romeo := w.newOwner("romeo")
	b.shows("Start pairing on your phone or computer.")
	b.types("3141 5926")
	b.local("status").want(0, "waiting for digits", "(mode typed)")

	wrong := romeo.beginsTyped(at)
	b.shows(oneWaits)
	b.types(another(wrong.pin))
	wrong.wait().want(4, "what was typed on the device is not what was shown here")
	b.showed("Wrong PIN. Start again on your phone or computer")

	closed := romeo.beginsTyped(at)
	b.shows(oneWaits)
	b.press("314")
	b.local("pairing", "close").want(0)
	closed.wait().want(6, "not typed on the device in time")
	if closed.pin == wrong.pin {
		t.Error("two attempts had one PIN")
	}

	b.local("pairing", "open").want(0, "which is typed on the device")
	right := romeo.beginsTyped(at, "--name", "telly")
	b.shows(oneWaits)
	b.press("999")
	for range 4 {
		b.press("backspace")
	}
	b.types(right.pin)
	right.wait().want(0, "telly")
	b.showed("Paired with")
	romeo.calls("telly")
}

// Over a server: two wait for the person at once, and the one whose PIN was typed becomes the owner. One that gives up while the
// person types leaves the other alone.
func typedPIN(w *world, s setting) {
	b, romeo := w.newPair(s, withKeys(boxConfig{}))
	b.start().online()
	juliet := w.newOwner("juliet").account(s.server, s.owner)
	tybalt := w.newOwner("tybalt").account(s.server, s.owner)
	first := romeo.beginsTyped(b.jid)
	b.shows(oneWaits + romeo.jid)
	second := juliet.beginsTyped(b.jid)
	b.shows(severalWait)
	third := tybalt.beginsTyped(b.jid)
	b.press(digits(second.pin)[:3])
	third.cancel()
	<-third.done
	b.types(digits(second.pin)[3:])
	second.wait().want(0, "paired with")
	if r := first.wait(); r.code == 0 { // his wrong proof was the first to come, or too late
		w.Error("the other has paired too")
	}
	juliet.calls(b.jid)
	romeo.ctl("call", b.jid, "lamp", "state=on").want(3)
}
