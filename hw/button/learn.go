//go:build !minimal

package button

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Device is an input device of this machine.
type Device struct {
	Path, Name string
	Digits     bool // a PIN can be typed on it
}

// Learnt is a key that somebody has pressed.
type Learnt struct {
	Device Device
	Key    string // the kernel's name, as in KEY_OK; empty for a key that has none
}

// Spec is what opens that key as a button, wherever the device is plugged in.
func (l Learnt) Spec() string { return "evdev:?name=" + escape(l.Device.Name) + "&key=" + l.Key }

// escape writes a name as a value of a spec. What a spec may not hold, or a terminal, becomes a *, which stands for anything: whoever
// builds a device gives it its name.
func escape(name string) string {
	var b strings.Builder
	for _, r := range name {
		switch {
		case r == '%':
			b.WriteString("%25")
		case r == '&':
			b.WriteString("%26")
		case !unicode.IsGraphic(r) || unicode.In(r, unicode.C) || r == utf8.RuneError:
			b.WriteByte('*')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Devices lists the input devices that have keys; nil inputs are the kernel's. The error tells what could not be looked at.
func Devices(inputs Inputs) ([]Device, error) {
	open, err := openInputs(inputs)
	var all []Device
	for _, in := range open {
		all = append(all, in.device)
		_ = in.Close()
	}
	return all, err
}

// Learn tells of each key that is pressed on any input device that is there now, until ctx ends. A device that cannot be looked at
// is left out, unless there is no other.
func Learn(ctx context.Context, inputs Inputs, tell func(Learnt)) error {
	open, err := openInputs(inputs)
	if len(open) == 0 {
		return errors.Join(err, errors.New("no input device with keys is there"))
	}
	var reading sync.WaitGroup
	pressed := make(chan Learnt)
	for _, in := range open {
		reading.Go(func() { in.learn(ctx, pressed) })
	}
	defer reading.Wait()
	defer func() {
		for _, in := range open {
			_ = in.Close() // ends its Read
		}
	}()
	for {
		select {
		case l := <-pressed:
			tell(l)
		case <-ctx.Done():
			return nil
		}
	}
}

// teacher is an input device whose keys are learnt.
type teacher struct {
	Input
	device Device
}

func (in teacher) learn(ctx context.Context, pressed chan<- Learnt) {
	for {
		strokes, err := in.Read()
		for _, s := range strokes {
			if !s.Down {
				continue
			}
			select {
			case pressed <- Learnt{in.device, keyName(s.Code)}:
			case <-ctx.Done():
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// openInputs opens all that have a key.
func openInputs(inputs Inputs) (open []teacher, err error) {
	if inputs == nil {
		inputs = kernelInputs{}
	}
	nodes, err := inputs.List()
	slices.SortFunc(nodes, func(a, b Node) int { return strings.Compare(a.Path, b.Path) })
	errs := []error{err}
	for _, n := range nodes {
		in, err := inputs.Open(n.Path)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if !hasKeys(in.Has) {
			_ = in.Close()
			continue
		}
		open = append(open, teacher{in, Device{n.Path, in.Name(), hasDigits(in.Has)}})
	}
	return open, errors.Join(errs...)
}

// hasKeys reports whether a device has any key at all: a switch in a lid has none.
func hasKeys(has func(code uint16) bool) bool {
	for code := range uint16(keyCount) {
		if has(code) {
			return true
		}
	}
	return false
}
