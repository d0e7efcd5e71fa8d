//go:build !linux && !minimal

package display

import (
	"errors"

	"periph.io/x/conn/v3/i2c"
)

func openKernelI2C(string) (i2c.BusCloser, error) {
	return nil, errors.New("I²C is supported on Linux only")
}
