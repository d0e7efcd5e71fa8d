//go:build minimal

package display

import (
	"errors"

	"xtls-agent/hw/internal/spec"
)

// errNoPixels is what a configuration hears that asks for what was left out: fonts, pictures and buses are a tenth of the program.
var errNoPixels = errors.New("this build has no such display: it was made with the tag minimal")

// pixelDrivers refuse. They are known all the same, so that nobody looks for a mistake in the spelling.
func pixelDrivers() map[string]spec.Driver[Env, Display] {
	absent := func(s *spec.Spec) func(Env) (Display, error) {
		s.Refuse(errNoPixels)
		return nil
	}
	return map[string]spec.Driver[Env, Display]{"png": absent, "ssd1306": absent}
}
