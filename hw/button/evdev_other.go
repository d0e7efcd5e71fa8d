//go:build !minimal && !linux

package button

import "errors"

func keyCode(string) (uint16, bool) { return 0, false }

func keyName(uint16) string { return "" }

// kernelInputs has none: they are the Linux kernel's.
type kernelInputs struct{}

func (kernelInputs) List() ([]Node, error) { return nil, nil }

func (kernelInputs) Open(string) (Input, error) {
	return nil, errors.New("input devices are Linux's")
}
