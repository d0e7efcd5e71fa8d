//go:build minimal

package button

import (
	"context"
	"errors"

	"xtls-agent/hw/internal/spec"
)

// errNoInputs is what a configuration hears that asks for what was left out: the names of the kernel's keys are large.
var errNoInputs = errors.New("this build knows no input devices: it was made with the tag minimal")

// Device, Learnt, Devices and Learn are there, and find nothing.
type (
	Device struct {
		Path, Name string
		Digits     bool
	}
	Learnt struct {
		Device Device
		Key    string
	}
)

// Spec is empty.
func (Learnt) Spec() string { return "" }

// Devices finds nothing.
func Devices(Inputs) ([]Device, error) { return nil, nil }

// Learn fails.
func Learn(context.Context, Inputs, func(Learnt)) error { return errNoInputs }

// inputDrivers refuse. They are known all the same, so that nobody looks for a mistake in the spelling.
func inputDrivers() map[string]spec.Driver[Env, Button] {
	return map[string]spec.Driver[Env, Button]{"evdev": func(s *spec.Spec) func(Env) (Button, error) {
		s.Refuse(errNoInputs)
		return nil
	}}
}
