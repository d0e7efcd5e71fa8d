//go:build !minimal

package display

import (
	"periph.io/x/devices/v3/max7219"

	"xtls-agent/hw/internal/spec"
)

// max7219Chip is a MAX7219 with eight digits on SPI.
type max7219Chip struct {
	wires
	bus *keptErrors
	dev *max7219.Dev // nil before start
}

func parseMAX7219(s *spec.Spec) func(Env) (Display, error) {
	path := s.NeedPath("max7219:/dev/spidev0.0")
	return func(env Env) (Display, error) {
		return newDigits("max7219 on "+path, 8, func() (segments, error) {
			m := &max7219Chip{wires: wires{env: env}}
			m.bus = &keptErrors{Port: m.spi(path)}
			return m, m.connected()
		}), nil
	}
}

func (m *max7219Chip) start() (err error) {
	if m.dev, err = max7219.NewSPI(m.bus, 1, 8); err != nil {
		return err
	}
	return m.bus.err
}

func (m *max7219Chip) show(text string) error {
	if err := m.dev.Write([]byte(text)); err != nil {
		return err
	}
	return m.bus.err
}

func (m *max7219Chip) off() error {
	if err := m.dev.Clear(); err != nil {
		return err
	}
	const shutdown = 0x0C // datasheet, table 3
	if err := m.bus.Tx([]byte{shutdown, 0}, nil); err != nil {
		return err
	}
	return m.bus.err
}
