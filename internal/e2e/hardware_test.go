package e2e

import (
	"strings"
	"testing"
)

// A box without the hardware that its configuration names says what is missing, each in a line, and does the rest.
func TestBoxWithoutItsHardware(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const line = "no such line of any board's"
	b := w.newBox(boxConfig{
		more:   "[[command]]\nname = \"door\"\noutput = \"gpio:" + line + "\"\noffer = [\"pulse\"]\n",
		change: replace("button = [", `button = ["gpio:`+line+`?active=low&pull=up", "evdev:?name=no such remote control&key=KEY_OK&digits=on", `),
	}).start()
	at := b.lan()
	for _, warning := range []string{
		`msg="button does not work, and is tried again" button="gpio:` + line + `"`,
		`msg="button does not work, and is tried again" button="evdev:no such remote control" err="no input device is there`,
		`msg="output does not work, and is tried again" output="gpio:` + line + `"`,
	} {
		b.waitLog(warning)
	}
	romeo := w.newOwner("romeo")
	romeo.pairs(b, at)
	romeo.calls(at)
	romeo.ctl("call", at, "door", "state=on").want(2, "pulse")
	romeo.ctl("call", at, "door", "state=pulse").want(7, "the command failed: ")
	b.press("press") // the button that is there works
	if n := strings.Count(b.log.String(), "is tried again"); n != 3 {
		t.Errorf("%d warnings, want 3:\n%s", n, b.log.String())
	}
}
