//go:build !minimal

package button

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/holoplot/go-evdev"
	"golang.org/x/sys/unix"
)

// keyCode returns the kernel's code of a key, or of a button of a game pad, by its name.
func keyCode(name string) (uint16, bool) {
	code, ok := evdev.KEYFromString[name]
	return uint16(code), ok
}

// kernelInputs is /dev/input.
type kernelInputs struct{}

func (kernelInputs) List() ([]Node, error) {
	paths, err := filepath.Glob("/dev/input/event*")
	if err != nil {
		return nil, err
	}
	nodes := make([]Node, 0, len(paths))
	for _, path := range paths {
		var st unix.Stat_t
		if unix.Stat(path, &st) == nil { // else it was unplugged meanwhile
			nodes = append(nodes, Node{Path: path, Since: time.Unix(st.Ctim.Unix())})
		}
	}
	return nodes, nil
}

func (kernelInputs) Open(path string) (Input, error) {
	dev, err := evdev.OpenWithFlags(path, os.O_RDONLY)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("not allowed: add the user that runs this program to the group input: %w", err)
	}
	if err != nil {
		return nil, err
	}
	in := &kernelInput{dev: dev, keys: dev.CapableEvents(evdev.EV_KEY)}
	if in.name, err = dev.Name(); err == nil {
		err = dev.NonBlock() // the last: it makes Close end a Read, and go-evdev's other methods undo it
	}
	if err != nil {
		return nil, errors.Join(err, dev.Close())
	}
	return in, nil
}

// kernelInput is a device of the kernel's.
type kernelInput struct {
	dev  *evdev.InputDevice
	name string
	keys []evdev.EvCode
}

func (k *kernelInput) Name() string { return k.name }

func (k *kernelInput) Has(code uint16) bool { return slices.Contains(k.keys, evdev.EvCode(code)) }

// Down asks by an opening of its own: to ask the one that is read would make it block.
func (k *kernelInput) Down(code uint16) bool {
	dev, err := evdev.OpenWithFlags(k.dev.Path(), os.O_RDONLY)
	if err != nil {
		return false
	}
	defer dev.Close()
	state, err := dev.State(evdev.EV_KEY)
	return err == nil && state[evdev.EvCode(code)]
}

// errDropped ends a device whose reader was too slow: which keys are down is known when it is opened again.
var errDropped = errors.New("the kernel has dropped events")

func (k *kernelInput) Read() ([]Stroke, error) {
	events, err := k.dev.ReadSlice(64)
	if errors.Is(err, unix.ENODEV) {
		return nil, errors.New("it was unplugged")
	}
	if err != nil {
		return nil, err
	}
	return strokes(events)
}

// strokes are what events say of keys.
func strokes(events []evdev.InputEvent) ([]Stroke, error) {
	const up, down = 0, 1 // 2 is a key that repeats
	var out []Stroke
	for _, e := range events {
		switch {
		case e.Type == evdev.EV_SYN && e.Code == evdev.SYN_DROPPED:
			return nil, errDropped
		case e.Type == evdev.EV_KEY && (e.Value == up || e.Value == down):
			out = append(out, Stroke{Code: uint16(e.Code), Down: e.Value == down})
		}
	}
	return out, nil
}

func (k *kernelInput) Close() error { return k.dev.Close() }
