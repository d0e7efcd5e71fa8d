//go:build !minimal

package display

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/spi"

	"xtls-agent/hw/internal/gpioline"
	"xtls-agent/hw/internal/spec"
)

// wires are the bus and the pins that a display hangs on. The first that cannot be
// opened is the error of connected; those after it are not tried.
type wires struct {
	env  Env
	open []io.Closer
	err  error
}

// connected returns the first error. After one nothing stays open.
func (w *wires) connected() error {
	if w.err == nil {
		return nil
	}
	return errors.Join(w.err, w.Close())
}

// Close lets go of all, the last first.
func (w *wires) Close() error {
	var errs []error
	for _, c := range slices.Backward(w.open) {
		errs = append(errs, c.Close())
	}
	w.open = nil
	return errors.Join(errs...)
}

// plug opens one thing and keeps it for Close.
func plug[T io.Closer](w *wires, injected, kernel func(string) (T, error), name string) (thing T) {
	if w.err != nil {
		return thing
	}
	if injected == nil {
		injected = kernel
	}
	if thing, w.err = injected(name); w.err == nil {
		w.open = append(w.open, thing)
	}
	return thing
}

func (w *wires) i2c(path string) i2c.Bus { return plug(w, w.env.OpenI2C, openKernelI2C, path) }

func (w *wires) spi(path string) spi.Port { return plug(w, w.env.OpenSPI, openKernelSPI, path) }

// pin takes a GPIO line. Where no name is given nothing is wired, and nil is returned.
func (w *wires) pin(name string) gpio.PinIO {
	if name == "" {
		return nil
	}
	return plug(w, w.env.OpenPin, openKernelPin, name)
}

// kernelPin is a line of the kernel's GPIO, taken when it is first read or set.
type kernelPin struct{ gpio.PinIO }

// Close gives the line back.
func (p kernelPin) Close() error { return p.Halt() }

func openKernelPin(name string) (PinCloser, error) {
	p, err := gpioline.Open(name)
	if err != nil {
		return nil, err
	}
	return kernelPin{p}, nil
}

// pinNames reads the names of lines from a spec. No two may be the same.
type pinNames struct {
	*spec.Spec
	taken map[string]string // by name, the key
}

func readPins(s *spec.Spec) pinNames { return pinNames{s, map[string]string{}} }

// need requires a line; example is a whole spec that has it.
func (p pinNames) need(key, example string) string { return p.take(key, p.NeedText(key, example)) }

// may takes a line that need not be there.
func (p pinNames) may(key string) string { return p.take(key, p.Text(key)) }

// or takes a line that most boards have in one place.
func (p pinNames) or(key, usual string) string {
	name := p.Text(key)
	if name == "" {
		name = usual
	}
	return p.take(key, name)
}

func (p pinNames) take(key, name string) string {
	if other := p.taken[name]; other != "" {
		p.Fail(fmt.Errorf("%s and %s are both %s", other, key, name))
	}
	if name != "" {
		p.taken[name] = key
	}
	return name
}

// resetPulse is longer than any data sheet asks for.
const resetPulse = 10 * time.Millisecond

// pulse resets a chip by its pin, active low, if that is wired.
func pulse(reset gpio.PinIO) error {
	if reset == nil {
		return nil
	}
	for _, l := range []gpio.Level{gpio.High, gpio.Low, gpio.High} {
		if err := reset.Out(l); err != nil {
			return err
		}
		time.Sleep(resetPulse)
	}
	return nil
}

// spiNumbers reads a path like /dev/spidev0.1: bus 0, chip select 1.
func spiNumbers(path string) (bus, cs int, err error) {
	rest, ok := strings.CutPrefix(path, "/dev/spidev")
	b, c, dot := strings.Cut(rest, ".")
	nb, err1 := strconv.ParseUint(b, 10, 8)
	nc, err2 := strconv.ParseUint(c, 10, 8)
	if !ok || !dot || err1 != nil || err2 != nil {
		return 0, 0, fmt.Errorf("%q is not the path of an SPI device: write it as in /dev/spidev0.0", path)
	}
	return int(nb), int(nc), nil
}
