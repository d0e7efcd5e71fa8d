//go:build !linux

package line

import (
	"errors"

	"periph.io/x/conn/v3/gpio"
)

// Line is a GPIO line; there are none here.
type Line struct{ gpio.PinIO }

// Open fails.
func Open(string) (*Line, error) { return nil, errors.New("GPIO is supported on Linux only") }

// Close does nothing.
func (*Line) Close() error { return nil }
