// Package gpioline gives buttons and outputs a line of the kernel's GPIO by its name, as a pin of periph.
//
// It speaks to the kernel's character devices itself (include/uapi/linux/gpio.h, version 2, Linux 5.10 and later). periph has a
// driver for these, gpioioctl, but v3.8.5 of it looks for chips once in the life of a process, so that a line or a permission
// which comes later is never seen; drives every new output low before its first value, which a relay that is active low takes
// for "on"; makes an input of an output whose level is read; and its WaitForEdge(-1) does not wait.
package gpioline

import (
	"errors"
	"fmt"
	"io/fs"

	"periph.io/x/conn/v3/gpio"
)

// ErrNoGPIO says that the kernel has no GPIO for us.
var ErrNoGPIO = errors.New("this machine has no GPIO: there is no /dev/gpiochip*")

// Lost reports why a pin can no longer be used, if it tells: its chip was unplugged, say. Read and WaitForEdge of periph's have no
// way to.
func Lost(p gpio.PinIO) error {
	if l, ok := p.(interface{ Lost() error }); ok {
		return l.Lost()
	}
	return nil
}

// Edges reports how many edges the last WaitForEdge of a pin took as one, if it tells; else 1.
func Edges(p gpio.PinIO) int {
	if e, ok := p.(interface{ Edges() int }); ok {
		return e.Edges()
	}
	return 1
}

// Line is a line that the kernel has a name for.
type Line struct {
	Name string
	By   string // who has it; "" is nobody
}

// chips is what Open needs of the machine.
type chips interface {
	// list returns the paths of all chips.
	list() ([]string, error)
	// find returns the line's number on a chip; ok is false if the chip has none of that name.
	find(chip, name string) (offset uint32, ok bool, err error)
}

// search looks for a line on every chip. Its error is one line for people.
func search(c chips, name string) (chip string, offset uint32, err error) {
	all, err := c.list()
	if err != nil {
		return "", 0, err
	}
	if len(all) == 0 {
		return "", 0, ErrNoGPIO
	}
	var failed error
	for _, chip := range all {
		offset, ok, err := c.find(chip, name)
		if ok {
			return chip, offset, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // it may have been unplugged meanwhile
			failed = err
		}
	}
	switch {
	case errors.Is(failed, fs.ErrPermission):
		return "", 0, fmt.Errorf("not allowed: add the user that runs this program to the group gpio: %w", failed)
	case failed != nil:
		return "", 0, fmt.Errorf("looking for the line %q: %w", name, failed)
	}
	return "", 0, fmt.Errorf("no line is called %q: `gpioinfo` lists their names", name)
}
