//go:build !minimal

package display

import "xtls-agent/hw/internal/spec"

// pixelDrivers are the displays that pictures are drawn for, by the one renderer.
func pixelDrivers() map[string]spec.Driver[Env, Display] {
	return map[string]spec.Driver[Env, Display]{"png": parsePNG, "ssd1306": parseSSD1306}
}
