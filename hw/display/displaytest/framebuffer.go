//go:build !minimal

package displaytest

import (
	"errors"
	"image"
	"sync"

	"xtls-agent/hw/display"
)

// Framebuffer is a screen in memory, with a text console on it. Its methods may be
// called from any goroutine.
type Framebuffer struct {
	mode display.FramebufferMode

	mu      sync.Mutex // guards what follows
	memory  []byte
	console bool // draws
	open    int
	gone    error
}

// NewFramebuffer returns a screen of 32 bits a pixel, as Linux has them, or 16. Its rows
// have room to spare, and what is seen begins somewhere within the memory: neither is
// what a driver may assume. On it stands what a console has written.
func NewFramebuffer(size image.Point, bits int) *Framebuffer {
	m := display.FramebufferMode{Size: size, Bits: bits, Stride: size.X*bits/8 + 64}
	m.Offset = 3 * m.Stride
	if bits == 16 {
		m.Red, m.Green, m.Blue = display.Channel{Shift: 11, Bits: 5}, display.Channel{Shift: 5, Bits: 6}, display.Channel{Bits: 5}
	} else {
		m.Red, m.Green, m.Blue = display.Channel{Shift: 16, Bits: 8}, display.Channel{Shift: 8, Bits: 8}, display.Channel{Bits: 8}
	}
	f := &Framebuffer{mode: m, memory: make([]byte, m.Offset+size.Y*m.Stride), console: true}
	for i := range f.memory {
		f.memory[i] = byte(i)
	}
	return f
}

// Env is a world with that screen.
func (f *Framebuffer) Env() display.Env {
	return display.Env{Hardware: display.Hardware{OpenFramebuffer: f.Open}}
}

// Open is a display.Env.OpenFramebuffer.
func (f *Framebuffer) Open(string) (display.Framebuffer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gone != nil {
		return nil, f.gone
	}
	f.open++
	return &openFramebuffer{Framebuffer: f}, nil
}

// SetMode sets the screen to another mode.
func (f *Framebuffer) SetMode(m display.FramebufferMode) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mode = m
}

// Mode is how the screen is set.
func (f *Framebuffer) Mode() (display.FramebufferMode, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mode, f.gone
}

// Unplug takes the screen away with an error; nil brings it back.
func (f *Framebuffer) Unplug(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gone = err
}

// Console reports whether the text console draws on the screen.
func (f *Framebuffer) Console() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.console
}

// OpenCount is the number of times that the screen is open now.
func (f *Framebuffer) OpenCount() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.open
}

// Picture is what a person sees.
func (f *Framebuffer) Picture() *image.RGBA {
	f.mu.Lock()
	defer f.mu.Unlock()
	img := image.NewRGBA(image.Rectangle{Max: f.mode.Size})
	n := f.mode.Bits / 8
	for y := range f.mode.Size.Y {
		for x := range f.mode.Size.X {
			var v uint32
			for i := range n {
				v |= uint32(f.memory[f.mode.Offset+y*f.mode.Stride+x*n+i]) << (8 * i)
			}
			c := [4]byte{byte(v >> 16), byte(v >> 8), byte(v), 0xFF}
			if n == 2 {
				c = [4]byte{byte(v >> 11 << 3), byte(v >> 5 << 2), byte(v << 3), 0xFF}
			}
			copy(img.Pix[img.PixOffset(x, y):], c[:])
		}
	}
	return img
}

// Dark reports whether nothing is seen.
func (f *Framebuffer) Dark() bool {
	img := f.Picture()
	for i, b := range img.Pix {
		if i%4 != 3 && b != 0 {
			return false
		}
	}
	return true
}

// Beside reports whether anything was written where nobody sees it.
func (f *Framebuffer) Beside() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, b := range f.memory {
		row, at := (i-f.mode.Offset)/f.mode.Stride, (i-f.mode.Offset)%f.mode.Stride
		seen := i >= f.mode.Offset && row < f.mode.Size.Y && at < f.mode.Size.X*f.mode.Bits/8
		if !seen && b != byte(i) {
			return true
		}
	}
	return false
}

type openFramebuffer struct {
	*Framebuffer
	closed bool // guarded by mu
}

func (o *openFramebuffer) Memory() []byte { return o.memory }

func (o *openFramebuffer) Take() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.console = false
	return nil
}

func (o *openFramebuffer) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return errors.New("displaytest: framebuffer closed twice")
	}
	o.closed, o.console = true, true
	o.open--
	return nil
}

var _ display.Framebuffer = (*openFramebuffer)(nil)
