//go:build !minimal

package button

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
	"unsafe"

	"github.com/holoplot/go-evdev"
	"golang.org/x/sys/unix"
)

// keyCode returns the kernel's code of a key, or of a button of a game pad, by its name.
func keyCode(name string) (uint16, bool) {
	code, ok := evdev.KEYFromString[name]
	return uint16(code), ok
}

// keyName is the other way round; "" for a code that has no name.
func keyName(code uint16) string { return evdev.KEYToString[evdev.EvCode(code)] }

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
	defer dev.Close()
	in := &kernelInput{keys: dev.CapableEvents(evdev.EV_KEY)}
	if in.name, err = dev.Name(); err != nil {
		return nil, err
	}
	if in.f, err = os.Open(path); err != nil {
		return nil, err
	}
	return in, nil
}

// kernelInput is a device of the kernel's. It is read from a file of our own: most of go-evdev's methods make theirs block, and Close
// would not end a Read.
type kernelInput struct {
	f    *os.File
	name string
	keys []evdev.EvCode
}

func (k *kernelInput) Name() string { return k.name }

func (k *kernelInput) Has(code uint16) bool { return slices.Contains(k.keys, evdev.EvCode(code)) }

// eviocgrab is EVIOCGRAB of include/uapi/linux/input.h.
const eviocgrab = 0x40044590

func (k *kernelInput) Grab(on bool) error {
	c, err := k.f.SyscallConn()
	if err != nil {
		return err
	}
	n := 0
	if on {
		n = 1
	}
	var failed error
	err = c.Control(func(fd uintptr) { failed = unix.IoctlSetInt(int(fd), eviocgrab, n) })
	return errors.Join(err, failed)
}

func (k *kernelInput) Down(code uint16) bool {
	dev, err := evdev.OpenWithFlags(k.f.Name(), os.O_RDONLY)
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
	const size = unsafe.Sizeof(evdev.InputEvent{})
	var buf [64 * size]byte
	n, err := k.f.Read(buf[:])
	if errors.Is(err, unix.ENODEV) {
		return nil, errors.New("it was unplugged")
	}
	if err != nil {
		return nil, err
	}
	events := make([]evdev.InputEvent, n/int(size))
	if err := binary.Read(bytes.NewReader(buf[:n]), binary.NativeEndian, events); err != nil {
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

func (k *kernelInput) Close() error { return k.f.Close() }
