package boards

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"xtls-agent/internal/guest"
	"xtls-agent/internal/guest/hand"
)

// A person follows docs/raspberry-pi.md with a box that is none: setup learns its key, hw-test sees that pressed, a lamp is added to
// the configuration as the guide has it, and is switched by somebody who has paired.
func TestGuide(t *testing.T) {
	t.Parallel()
	b := newBoard(t, guest.Config{Machine: guest.ARM64(), Modules: []string{"evdev"}, Later: []string{"gpio_keys"}})

	// The same key, while it is still a line of the kernel's GPIO.
	b.write("/run/line.toml", "button = [\"gpio:"+guest.Button+"?active=high&pull=none\"]\nrun_dir = \"/run/agent\"\n")
	tried := b.start(hand.Command{Argv: []string{"/bin/xtls-agent", "hw-test", "--config", "/run/line.toml"}})
	b.pressedInto(tried, "press it now", "seen, let go after")
	b.finish(tried)
	b.step("hw-test sees the line")

	if err := b.guest.Load(b.ctx, "gpio_keys"); err != nil {
		t.Fatal(err)
	}
	keys := b.start(hand.Command{Argv: []string{"/bin/xtls-agent", "hw-test", "--keys", "--wait", "4s"}})
	b.pressedInto(keys, "Press keys", "gpio-keys: KEY_POWER  evdev:?name=gpio-keys&key=KEY_POWER\n")
	b.finish(keys)
	b.step("hw-test learns the key")

	answers := strings.Join([]string{"Hall", "", "png:/run/pin.png", "y", "n", "2", "n", "y"}, "\n") + "\n"
	setup := b.start(hand.Command{Argv: []string{"/bin/xtls-agent", "setup", "--config", "/run/config.toml"}, Input: answers})
	b.pressedInto(setup, "Press the key", "It works: KEY_POWER of gpio-keys")
	b.finish(setup)
	if config := string(b.read("/run/config.toml")); !strings.Contains(config, `button = ["evdev:?name=gpio-keys&key=KEY_POWER"]`) {
		t.Errorf("setup wrote\n%s", config)
	}
	b.step("setup has written the configuration")

	tested := b.start(hand.Command{Argv: []string{"/bin/xtls-agent", "hw-test", "--config", "/run/config.toml", "--show", "1s"}})
	b.pressedInto(tested, "press it now", "seen, let go after")
	b.finish(tested)

	agent := b.agent(string(b.read("/run/config.toml")) + lampOfTheGuide(t))
	b.pair(b.waitPIN(b.shown), "hall")
	b.run("/bin/xtlsctl", "call", "hall", "lamp", "state=on")
	b.wantLine(guest.Relay, "xtls-agent", "out hi")
	b.end(agent)
}

// lampOfTheGuide is the command that the guide has people write, on the line of this machine's relay.
func lampOfTheGuide(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "raspberry-pi.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, lamp, ok := strings.Cut(string(page), "\n[[command]]\n")
	lamp, _, closed := strings.Cut(lamp, "```")
	if !ok || !closed {
		t.Fatal("the guide has no lamp")
	}
	return "\n[[command]]\n" + strings.ReplaceAll(lamp, "GPIO27", guest.Relay)
}

// pressedInto presses the machine's key when a program has asked for it, until it says that it has heard.
func (b *board) pressedInto(p *guest.Program, asked, heard string) {
	b.Helper()
	if said, err := p.Until(b.ctx, func(said string) bool { return strings.Contains(said, asked) }); err != nil {
		b.Fatalf("%v\n%s", err, said)
	}
	b.pressUntil("it says "+heard, b.guest.Press, func(ctx context.Context) bool {
		_, err := p.Until(ctx, func(said string) bool { return strings.Contains(said, heard) })
		return err == nil
	})
}

// finish waits for a program that must end well.
func (b *board) finish(p *guest.Program) {
	b.Helper()
	exit, err := p.Wait(b.ctx)
	if err != nil || exit.Code != 0 {
		b.Errorf("%s, %v\n%s", exit.How, err, exit.Output)
	}
}
