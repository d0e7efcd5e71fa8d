//go:build minimal

package button

import (
	"errors"

	"xtls-agent/hw/internal/spec"
)

// errNoInputs is what a configuration hears that asks for what was left out: the names of the kernel's keys are large.
var errNoInputs = errors.New("this build knows no input devices: it was made with the tag minimal")

// inputDrivers refuse. They are known all the same, so that nobody looks for a mistake in the spelling.
func inputDrivers() map[string]spec.Driver[Env, Button] {
	return map[string]spec.Driver[Env, Button]{"evdev": func(s *spec.Spec) func(Env) (Button, error) {
		s.Refuse(errNoInputs)
		return nil
	}}
}
