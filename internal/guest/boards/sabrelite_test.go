package boards

import (
	"context"
	"strings"
	"testing"

	"xtls-agent/internal/guest"
	"xtls-agent/internal/guest/hand"
)

// What goes to a display goes over I²C and SPI of the kernel's own; setup finds it there, and learns the key of a remote control.
func TestSabreLite(t *testing.T) {
	t.Parallel()
	b := newBoard(t, guest.Config{Machine: guest.SabreLite(), Modules: []string{"evdev", "uinput"}}, "hw/display")
	b.kernelTests("hw/display", "OfTheKernel", "XTLS_TEST_I2C=0", "XTLS_TEST_SPI=/dev/spidev0.0", "XTLS_TEST_LINE="+guest.DataLine)

	b.plugRemote()
	config := b.setUp()
	b.step("set up: an OLED that was found, and a key that was pressed")
	agent := b.agent(config)
	if said := b.run("/bin/xtls-agent", "status", "--config", "/run/config.toml"); !strings.Contains(said, "ssd1306:/dev/i2c-0?addr=0x3c works") {
		t.Errorf("status says:\n%s", said)
	}
	b.end(agent)
}

// setUp answers what setup asks, and returns the configuration that it wrote.
func (b *board) setUp() string {
	b.Helper()
	const file = "/run/new/config.toml"
	answers := []string{
		"Hall box", "", // no account
		"1", "y", "n", // the first display that is found, which is seen, and no other
		"2", "n", // a key of an input device, and no other button
		"y", // write it
	}
	setup := b.start(hand.Command{Argv: []string{"/bin/xtls-agent", "setup", "--config", file}, Input: strings.Join(answers, "\n") + "\n"})
	if said, err := setup.Until(b.ctx, func(said string) bool { return strings.Contains(said, "Press the key") }); err != nil {
		b.Fatalf("%v\n%s", err, said)
	}
	tap := func() error { return b.guest.Tap(b.ctx, remote, keyOK) }
	b.pressUntil("setup hears of it", tap, func(ctx context.Context) bool {
		_, err := setup.Until(ctx, func(said string) bool { return strings.Contains(said, "It works: KEY_OK of "+remote) })
		return err == nil
	})
	exit, err := setup.Wait(b.ctx)
	if err != nil || exit.Code != 0 {
		b.Fatalf("setup: %s, %v\n%s", exit.How, err, exit.Output)
	}
	return string(b.read(file))
}
