package boards

import (
	"fmt"
	"image"
	"image/draw"
	"testing"

	"xtls-agent/internal/guest"
)

// The agent draws on a framebuffer of the kernel's, of 16 and of 32 bits a pixel: what the kernel holds then has a QR code that
// another program reads, and its PIN pairs. Afterwards the text of the console is there as it was before.
func TestFramebuffer(t *testing.T) {
	t.Parallel()
	b := newBoard(t, guest.Config{Machine: guest.PC(), Modules: []string{"vfb vfb_enable=1 videomemorysize=4194304"}})
	for _, bits := range []int{16, 32} {
		if err := b.guest.SetScreen(b.ctx, fb, 640, 480, bits); err != nil {
			t.Fatal(err)
		}
		b.write("/dev/tty0", "\x1b[?25lthe text of the console\r\n") // without its cursor, which blinks
		before := b.screen(fb)
		if dark(before) || b.consoleMode() != 0 {
			t.Fatalf("the console does not draw on the screen of %d bits; its mode is %d", bits, b.consoleMode())
		}

		agent := b.agent(fmt.Sprintf("name = \"box\"\ndisplay = [\"fb:/dev/fb0\"]\nstate_dir = \"/run/state-%d\"\nrun_dir = \"/run/agent\"\n", bits))
		pin := b.waitPIN(func() image.Image { return b.screen(fb) })
		b.step("PIN read off a screen of %d bits", bits)
		if mode := b.consoleMode(); mode != 1 {
			t.Errorf("while the PIN is shown the console's mode is %d: it would draw over it", mode)
		}
		b.pair(pin, fmt.Sprint("box-", bits))
		b.end(agent)
		if after := b.screen(fb); b.consoleMode() != 0 || !same(before, after) {
			b.keep("before", before)
			b.keep("after", after)
			t.Errorf("the console is not given back; its mode is %d", b.consoleMode())
		}
	}
}

// fb is the screen.
const fb = "/dev/fb0"

func (b *board) consoleMode() int {
	b.Helper()
	mode, err := b.guest.ConsoleMode(b.ctx, "/dev/tty0")
	if err != nil {
		b.Fatal(err)
	}
	return mode
}

func same(a, b image.Image) bool {
	for y := range a.Bounds().Dy() {
		for x := range a.Bounds().Dx() {
			if a.At(x, y) != b.At(x, y) {
				return false
			}
		}
	}
	return a.Bounds() == b.Bounds()
}

func dark(img image.Image) bool {
	night := image.NewRGBA(img.Bounds())
	draw.Draw(night, night.Rect, image.Black, image.Point{}, draw.Src)
	return same(img, night)
}
