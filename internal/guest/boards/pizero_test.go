package boards

import (
	"slices"
	"strings"
	"testing"
	"time"

	"xtls-agent/internal/guest"
	"xtls-agent/internal/guest/hand"
)

// The agent on a Raspberry Pi Zero takes its GPIO lines by name, pairs on the LAN, and switches its lamp.
func TestPiZero(t *testing.T) {
	t.Parallel()
	b := newBoard(t, guest.Config{Machine: guest.PiZero(), Modules: []string{"evdev", "uinput"}},
		"hw/internal/gpioline", "hw/output", "hw/button")
	b.kernelTests("hw/internal/gpioline", "LineOfTheKernel", "XTLS_TEST_OUTPUT=GPIO27")
	b.kernelTests("hw/output", "LineOfTheKernel", "XTLS_TEST_OUTPUT=GPIO27")
	b.kernelTests("hw/button", "EvdevOfTheKernel")

	agent := b.agent(configuration("gpio:GPIO17?active=low&pull=up", "GPIO27"))
	b.wantLine("GPIO17", "xtls-agent", "in")
	b.wantLine("GPIO27", "xtls-agent", "out lo")
	b.pair(b.waitPIN(b.shown), "box")
	b.run("/bin/xtlsctl", "call", "box", "lamp", "state=on")
	b.wantLine("GPIO27", "xtls-agent", "out hi")
	b.step("lamp on")
	b.end(agent)
	b.wantLine("GPIO17", "", "")
	b.wantLine("GPIO27", "", "")
}

// From exec to READY on a Pi Zero, with hardware and without. The figures are for who reads the test's output; `make bench` makes its own.
func TestPiZeroStart(t *testing.T) {
	t.Parallel()
	m := guest.PiZero()
	minimal, err := m.Build(t.Context(), "xtls-agent/cmd/xtls-agent", "minimal")
	if err != nil {
		t.Fatal(err)
	}
	const plain = "/bin/xtls-agent-minimal"
	b := newBoard(t, guest.Config{Machine: m, Files: guest.Files{plain: minimal}})
	b.write("/run/full.toml", configuration("gpio:GPIO17?active=low&pull=up", "GPIO27"))
	b.write("/run/plain.toml", "name = \"box\"\ndisplay = [\"term:\"]\nstate_dir = \"/run/plain\"\nrun_dir = \"/run/agent\"\n")
	for _, c := range []struct{ what, program, config string }{
		{"with button, lamp and display", "/bin/xtls-agent", "/run/full.toml"},
		{"the minimal build, on a terminal", plain, "/run/plain.toml"},
	} {
		start := hand.Command{Argv: []string{c.program, "run", "--config", c.config}, Env: environment, Terminal: true}
		took, err := b.guest.StartTimes(b.ctx, start, 3)
		if err != nil {
			t.Fatal(err)
		}
		b.step("from exec to READY, %s: %v", c.what, took)
		if slices.Max(took) > time.Minute {
			t.Errorf("%s: ready after %v", c.what, took)
		}
	}
}

// wantLine looks up in the kernel's own list who has a GPIO line, and how it is set. Nobody has it if owner is empty.
func (b *board) wantLine(name, owner, state string) {
	b.Helper()
	for line := range strings.Lines(string(b.read("/sys/kernel/debug/gpio"))) {
		_, rest, found := strings.Cut(line, "("+name+" ")
		if !found {
			continue
		}
		label, set, _ := strings.Cut(rest, ")")
		if got := strings.Trim(label, " |"); got != owner || !strings.HasPrefix(strings.Join(strings.Fields(set), " "), state) {
			b.Errorf("the kernel says of %s: %s", name, strings.TrimSpace(line))
		}
		return
	}
	b.Errorf("the kernel knows no line %s", name)
}
