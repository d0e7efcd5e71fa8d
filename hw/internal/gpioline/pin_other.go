//go:build !linux

package gpioline

import "periph.io/x/conn/v3/gpio"

// Open fails: GPIO is the Linux kernel's.
func Open(string) (gpio.PinIO, error) { return nil, ErrNoGPIO }

// Lines fails for the same reason.
func Lines() ([]Line, error) { return nil, ErrNoGPIO }
