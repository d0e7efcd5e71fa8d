//go:build !minimal

package display

import "xtls-agent/hw/internal/spec"

// hardwareDrivers are the displays that are more than text on a terminal.
func hardwareDrivers() map[string]spec.Driver[Env, Display] {
	return map[string]spec.Driver[Env, Display]{
		"aip31068":         parseAIP31068,
		"fb":               parseFramebuffer,
		"hd44780":          parseHD44780,
		"ht16k33":          parseHT16K33,
		"inky":             parseInky,
		"max7219":          parseMAX7219,
		"png":              parsePNG,
		"ssd1306":          parseSSD1306,
		"st7567":           parseST7567,
		"tm1637":           parseTM1637,
		"waveshare2in13v4": parseWaveshare2in13v4,
		"waveshare1602":    parseWaveshare1602,
	}
}
