package output

import (
	"periph.io/x/conn/v3/gpio"

	"xtls-agent/hw/internal/gpioline"
	"xtls-agent/hw/internal/spec"
)

func parseGPIO(s *spec.Spec) func(Env) (Output, error) {
	name := s.NeedPath("gpio:GPIO27")
	active := gpio.Level(s.Choice("active", "high", "low") == "high")
	initial := s.Choice("initial", "off", "on") == "on"
	return func(env Env) (Output, error) {
		return start("gpio:"+name, initial, env, func(on bool) (hand, error) {
			pin, err := env.Pin(name)
			if err != nil {
				return nil, err
			}
			l := &onLine{pin, active}
			return l, l.set(on)
		}), nil
	}
}

// onLine is the hand on a GPIO line.
type onLine struct {
	pin    gpio.PinIO
	active gpio.Level
}

func (l *onLine) set(on bool) error { return l.pin.Out(gpio.Level(on) == l.active) }

func (l *onLine) on() (bool, error) {
	level := l.pin.Read()
	return level == l.active, gpioline.Lost(l.pin)
}

func (l *onLine) release() { _ = l.pin.Halt() }
