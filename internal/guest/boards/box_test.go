package boards

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"strings"
	"syscall"
	"time"

	"xtls-agent/internal/guest"
	"xtls-agent/internal/guest/hand"
)

// configuration is that of a box with a button and a lamp. Its display is a file.
func configuration(button, lamp string) string {
	return fmt.Sprintf(`
name = "box"
display = ["png:/run/pin.png"]
button = [%q]
state_dir = "/run/state"
run_dir = "/run/agent"
[[command]]
name = "lamp"
output = "gpio:%s?active=high&initial=off"
`, button, lamp)
}

// shown is what the display of such a box shows.
func (b *board) shown() image.Image { return b.file("/run/pin.png") }

// pair pairs an owner on the LAN.
func (b *board) pair(pin, name string) {
	b.Helper()
	b.feed(pin+"\n", "/bin/xtlsctl", "pair", "lan:127.0.0.1", "--name", name, "--pin-stdin")
	b.step("paired")
}

// end has a program end, as a system does that goes down.
func (b *board) end(p *guest.Program) {
	b.Helper()
	if err := p.Signal(b.ctx, int(syscall.SIGTERM)); err != nil {
		b.Fatal(err)
	}
	if exit, err := p.Wait(b.ctx); err != nil || exit.Code != 0 {
		b.Errorf("%s, %v\n%s", exit.How, err, exit.Output)
	}
}

// waitNoPIN waits until no PIN is shown any more.
func (b *board) waitNoPIN() {
	b.Helper()
	for range 100 {
		if pinIn(b.shown()) == "" {
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
	b.Fatal("the PIN is still shown")
}

// kernelTests runs a package's tests that need a kernel, and presses the machine's key when they ask for it.
func (b *board) kernelTests(pkg, pattern string, env ...string) {
	b.Helper()
	p := b.start(hand.Command{Argv: []string{testProgram(pkg), "-test.v", "-test.run", pattern}, Env: env})
	wishes := func(said string) int { return strings.Count(said, "press the button\n") }
	said, err := p.Until(b.ctx, func(said string) bool { return wishes(said) > 0 })
	for err == nil {
		granted := wishes(said)
		b.pressUntil("the tests of "+pkg+" hear of it", b.guest.Press, func(ctx context.Context) bool {
			said, err = p.Until(ctx, func(said string) bool { return wishes(said) > granted })
			return ctx.Err() == nil
		})
	}
	exit, waiting := p.Wait(b.ctx)
	if !errors.Is(err, io.EOF) || waiting != nil || exit.Code != 0 || !strings.Contains(exit.Output, "--- PASS: Test") {
		b.Errorf("the tests of %s: %s, %v\n%s", pkg, exit.How, errors.Join(err, waiting), exit.Output)
		return
	}
	b.step("the tests of %s that need a kernel pass", pkg)
}

// pressUntil presses something, and again if nothing comes of it: a machine that gets no time from ours may miss a press.
func (b *board) pressUntil(what string, press func() error, heard func(context.Context) bool) {
	b.Helper()
	for range 10 {
		time.Sleep(time.Second / 2) // as a person who reads first
		if err := press(); err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(b.ctx, 4*time.Second)
		ok := heard(ctx)
		cancel()
		if ok {
			return
		}
	}
	b.Fatalf("ten presses, and not once %s", what)
}
