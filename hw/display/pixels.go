//go:build !minimal

package display

import (
	"periph.io/x/conn/v3/i2c"

	"xtls-agent/hw/internal/spec"
)

// pixelDrivers are the displays that pictures are drawn for, by the one renderer.
func pixelDrivers() map[string]spec.Driver[Env, Display] {
	return map[string]spec.Driver[Env, Display]{"png": parsePNG, "ssd1306": parseSSD1306}
}

func (e Env) openI2C(path string) (i2c.BusCloser, error) {
	if e.OpenI2C != nil {
		return e.OpenI2C(path)
	}
	return openKernelI2C(path)
}
