//go:build !minimal

package display

import (
	"image"
	"io"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/spi"
)

// Hardware is what drivers need of buses, lines and screens.
type Hardware struct {
	// OpenI2C opens the bus with a path like /dev/i2c-1; nil opens the kernel's.
	OpenI2C func(path string) (i2c.BusCloser, error)

	// OpenSPI opens the device with a path like /dev/spidev0.0; nil opens the
	// kernel's.
	OpenSPI func(path string) (spi.PortCloser, error)

	// OpenPin takes the GPIO line of a name like GPIO25; nil takes the kernel's.
	OpenPin func(name string) (PinCloser, error)

	// OpenFramebuffer opens the screen with a path like /dev/fb0; nil opens the
	// kernel's.
	OpenFramebuffer func(path string) (Framebuffer, error)

	// I2CBuses and Framebuffers are the paths at which Find looks for displays; nil
	// asks the kernel.
	I2CBuses     func() ([]string, error)
	Framebuffers func() []string
}

// PinCloser is a GPIO line that is held until it is closed.
type PinCloser interface {
	gpio.PinIO
	io.Closer
}

// Framebuffer is the memory of a screen. Closing it gives the screen back to the
// kernel's text console.
type Framebuffer interface {
	// Mode is how the screen is set now.
	Mode() (FramebufferMode, error)

	// Memory is what the screen is drawn from, until Close.
	Memory() []byte

	// Take wakes the screen and keeps the text console from drawing on it, as far as
	// that is there and the program may.
	Take() error

	io.Closer
}

// FramebufferMode says how pixels lie in a framebuffer's memory.
type FramebufferMode struct {
	Size   image.Point
	Offset int // bytes before the first pixel that is seen
	Stride int // bytes from a row to the next
	Bits   int // of a pixel, little-endian: 16 or 32

	Red, Green, Blue Channel
}

// Channel is the bits of a colour in a pixel.
type Channel struct {
	Shift int // from bit 0 to the lowest
	Bits  int
}
