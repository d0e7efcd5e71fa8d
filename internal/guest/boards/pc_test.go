package boards

import (
	"fmt"
	"image"
	"image/draw"
	"syscall"
	"testing"

	"xtls-agent/internal/guest"
)

// fb is the screen.
const fb = "/dev/fb0"

// television is the configuration of a box that has nothing but a screen.
func television(state string) string {
	return fmt.Sprintf("name = \"box\"\ndisplay = [\"fb:%s\"]\nstate_dir = \"/run/%s\"\nrun_dir = \"/run/agent\"\n", fb, state)
}

// The agent draws on a framebuffer of the kernel's, of 16 and of 32 bits a pixel: what the kernel holds then has a QR code that
// another program reads, and its PIN pairs. Afterwards the text of the console is there as it was before.
func TestFramebuffer(t *testing.T) {
	t.Parallel()
	m := guest.PC()
	m.Name = "amd64, vfb"
	b := newBoard(t, guest.Config{Machine: m, Modules: []string{"vfb vfb_enable=1 videomemorysize=4194304"}})
	held := func() image.Image { return b.screen(fb) }
	for _, bits := range []int{16, 32} {
		if err := b.guest.SetScreen(b.ctx, fb, 640, 480, bits); err != nil {
			t.Fatal(err)
		}
		before := b.consoleText(held)
		name := fmt.Sprint("box-", bits)
		agent := b.agent(television(name))
		pin := b.waitPIN(held)
		b.step("PIN read from a framebuffer of %d bits", bits)
		b.wantConsole(false)
		b.pair(pin, name)
		b.end(agent)
		b.wantConsole(true)
		b.wantSame(held, before)
	}
}

// The same on a screen behind a driver of today's (DRM), by what a monitor would show. A box that was killed leaves the PIN there;
// what systemd runs after it clears the screen, and gives it back to the console.
func TestMonitor(t *testing.T) {
	t.Parallel()
	m := guest.PC()
	m.Name = "amd64, DRM"
	b := newBoard(t, guest.Config{Machine: m, Modules: []string{"bochs"}, QEMU: []string{"-device", "bochs-display"}})
	before := b.consoleText(b.monitor)
	killed := b.agent(television("state"))
	b.waitPIN(b.monitor)
	b.step("PIN read from the monitor")
	if err := killed.Signal(b.ctx, int(syscall.SIGKILL)); err != nil {
		t.Fatal(err)
	}
	if _, err := killed.Wait(b.ctx); err != nil {
		t.Fatal(err)
	}
	b.wantConsole(false)
	b.run("/bin/xtls-agent", "blank", "--config", "/run/config.toml") // as systemd's ExecStopPost
	b.wantConsole(true)
	b.wantSame(b.monitor, before)
}

// monitor is what stands on the machine's screen.
func (b *board) monitor() image.Image {
	b.Helper()
	img, err := b.guest.Dump()
	if err != nil {
		b.Fatal(err)
	}
	return img
}

// consoleText has the kernel's console write something, and returns what is seen then.
func (b *board) consoleText(look func() image.Image) image.Image {
	b.Helper()
	b.write("/dev/tty0", "\x1b[?25lthe text of the console\r\n") // without its cursor, which blinks
	b.wantConsole(true)
	seen := look()
	night := image.NewRGBA(seen.Bounds())
	draw.Draw(night, night.Rect, image.Black, image.Point{}, draw.Src)
	if same(seen, night) {
		b.Fatal("the console does not draw on the screen")
	}
	return seen
}

// wantConsole asks the kernel whether it is the console who draws on the screen.
func (b *board) wantConsole(draws bool) {
	b.Helper()
	const text = 0
	if mode, err := b.guest.ConsoleMode(b.ctx, "/dev/tty0"); err != nil || (mode == text) != draws {
		b.Errorf("the console's mode is %d (%v): want its text on the screen: %t", mode, err, draws)
	}
}

func (b *board) wantSame(look func() image.Image, before image.Image) {
	b.Helper()
	if after := look(); !same(before, after) {
		b.keep("before", before)
		b.keep("after", after)
		b.Error("the screen is not as it was before")
	}
}

func same(a, b image.Image) bool {
	for y := range a.Bounds().Dy() {
		for x := range a.Bounds().Dx() {
			r1, g1, b1, _ := a.At(x, y).RGBA()
			r2, g2, b2, _ := b.At(x, y).RGBA()
			if r1 != r2 || g1 != g2 || b1 != b2 {
				return false
			}
		}
	}
	return a.Bounds() == b.Bounds()
}
