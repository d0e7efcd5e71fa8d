//go:build minimal

package display

import (
	"errors"

	"xtls-agent/hw/internal/spec"
)

// errLeftOut is what a configuration hears that asks for what was left out: fonts, pictures and buses are a tenth of the program.
var errLeftOut = errors.New("this build has no such display: it was made with the tag minimal")

// hardwareDrivers refuse. They are known all the same, so that nobody looks for a mistake in the spelling.
func hardwareDrivers() map[string]spec.Driver[Env, Display] {
	absent := func(s *spec.Spec) func(Env) (Display, error) {
		s.Refuse(errLeftOut)
		return nil
	}
	all := map[string]spec.Driver[Env, Display]{}
	for _, name := range []string{
		"aip31068", "fb", "hd44780", "ht16k33", "inky", "max7219", "png", "ssd1306", "st7567", "tm1637", "waveshare1602", "waveshare2in13v4",
	} {
		all[name] = absent
	}
	return all
}

// Hardware is what drivers need of buses, lines and screens: nothing.
type Hardware struct{}
