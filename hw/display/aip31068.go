//go:build !minimal

package display

import (
	"errors"
	"fmt"

	"periph.io/x/conn/v3/i2c"
	"periph.io/x/devices/v3/aip31068"
	"periph.io/x/devices/v3/waveshare1602"

	"xtls-agent/hw/internal/spec"
)

// aip31068Chip is a character display with an AiP31068 on I²C: an HD44780 with that
// bus in it. Waveshare's modules have one, some with a coloured light behind them.
type aip31068Chip struct {
	wires
	setUp func() (*aip31068.Dev, error)
	light bool          // the light behind it is ours to switch
	dev   *aip31068.Dev // nil before start
}

func parseAIP31068(s *spec.Spec) func(Env) (Display, error) {
	path := s.NeedPath("aip31068:/dev/i2c-1")
	addr := s.Int("addr", 0x3E, 0x3C, 0x3F)
	size := letterSizes[s.Choice("size", "16x2", "20x2", "20x4")]
	name := fmt.Sprintf("aip31068 at address %#x on %s", addr, path)
	return openAIP31068(name, path, size, false, func(bus i2c.Bus) (*aip31068.Dev, error) {
		return aip31068.New(bus, uint16(addr), nil, size.rows, size.cols)
	})
}

func parseWaveshare1602(s *spec.Spec) func(Env) (Display, error) {
	path := s.NeedPath("waveshare1602:/dev/i2c-1")
	variant := waveshare1602.LCD1602RGBBacklight
	light := s.Choice("backlight", "rgb", "fixed") == "rgb"
	if !light {
		variant = waveshare1602.LCD1602MonoBacklight
	}
	size := letterSizes["16x2"]
	return openAIP31068("waveshare1602 on "+path, path, size, light, func(bus i2c.Bus) (*aip31068.Dev, error) {
		return waveshare1602.New(bus, variant, size.rows, size.cols)
	})
}

func openAIP31068(name, path string, size letterSize, light bool, setUp func(i2c.Bus) (*aip31068.Dev, error)) func(Env) (Display, error) {
	return func(env Env) (Display, error) {
		return newLetters(name, size, func() (characters, error) {
			a := &aip31068Chip{wires: wires{env: env}, light: light}
			bus := a.i2c(path)
			a.setUp = func() (*aip31068.Dev, error) { return setUp(bus) }
			return a, a.connected()
		}), nil
	}
}

// start switches the light on as the driver would, but with its error.
func (a *aip31068Chip) start() (err error) {
	if a.dev, err = a.setUp(); err != nil || !a.light {
		return err
	}
	return a.dev.Backlight(0xFF)
}

func (a *aip31068Chip) write(rows []string) error {
	for i, row := range rows {
		if err := a.dev.MoveTo(i+1, 1); err != nil {
			return err
		}
		if _, err := a.dev.WriteString(row); err != nil {
			return err
		}
	}
	return nil
}

func (a *aip31068Chip) off() error {
	err := errors.Join(a.dev.Clear(), a.dev.Display(false))
	if a.light {
		err = errors.Join(err, a.dev.Backlight(0))
	}
	return err
}
