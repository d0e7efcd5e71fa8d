//go:build !linux && !minimal

package display

import (
	"errors"

	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/spi"
)

func openKernelI2C(string) (i2c.BusCloser, error) {
	return nil, errors.New("I²C is supported on Linux only")
}

func openKernelSPI(string) (spi.PortCloser, error) {
	return nil, errors.New("SPI is supported on Linux only")
}

func openKernelFramebuffer(string) (Framebuffer, error) {
	return nil, errors.New("a framebuffer is supported on Linux only")
}

func kernelI2CBuses() ([]string, error) { return nil, nil }

func kernelFramebuffers() []string { return nil }
