package boards

import (
	"context"
	"testing"

	"xtls-agent/internal/guest"
)

// A key that is pressed goes through the kernel's gpio-keys and evdev, and opens a pairing window.
func TestARM64(t *testing.T) {
	t.Parallel()
	b := newBoard(t, guest.Config{Machine: guest.ARM64(), Modules: []string{"evdev", "uinput"}, Later: []string{"gpio_keys"}},
		"hw/internal/gpioline", "hw/output", "hw/button")
	b.kernelTests("hw/internal/gpioline", "LineOfTheKernel", "XTLS_TEST_OUTPUT="+guest.Relay)
	b.kernelTests("hw/output", "LineOfTheKernel", "XTLS_TEST_OUTPUT="+guest.Relay)
	b.kernelTests("hw/button", "OfTheKernel", "XTLS_TEST_LINE="+guest.Button)

	if err := b.guest.Load(b.ctx, "gpio_keys"); err != nil {
		t.Fatal(err)
	}
	agent := b.agent(configuration("evdev:?name=gpio-keys&key=KEY_POWER", guest.Relay))
	pin := b.waitPIN(b.shown)
	b.pressPIN(&pin)
	b.step("a key pressed, and another PIN shown")
	b.pair(pin, "box")
	b.waitNoPIN()
	b.pressPIN(&pin)
	b.step("a key pressed, and a window opened")
	b.run("/bin/xtlsctl", "call", "box", "lamp", "state=on")
	b.wantLine(guest.Relay, "xtls-agent", "out hi")
	b.end(agent)
}

// pressPIN presses the machine's key until another PIN is shown than the one that is known.
func (b *board) pressPIN(pin *string) {
	b.Helper()
	b.pressUntil("another PIN is shown", b.guest.Press, func(ctx context.Context) bool {
		another, ok := anotherPIN(ctx, b.shown, *pin)
		if ok {
			*pin = another
		}
		return ok
	})
}
