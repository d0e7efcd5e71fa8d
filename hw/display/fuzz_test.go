package display

import (
	"testing"

	"xtls-agent/internal/fuzztest"
)

// FuzzSpec: a spec string is a display of ours with known parameters, or one line says what is wrong with it.
func FuzzSpec(f *testing.F) {
	for _, s := range []string{"term:", "none:", "png:/run/pin.png?w=640&h=360", "png:", "png:/x?w=-1", "term:/x", "crt:", ":", "",
		"ssd1306:/dev/i2c-1?addr=0x3c&h=64&rotate=0", "ssd1306:/dev/i2c-1?h=65", "ssd1306:/dev/spidev0.0?dc=GPIO25&reset=GPIO24&h=32",
		"max7219:/dev/spidev0.0", "tm1637:?clk=GPIO23&dio=GPIO24&digits=6&order=321654", "ht16k33:/dev/i2c-1?addr=0x70&boards=2&segments=7",
		"hd44780:?rs=GPIO26&e=GPIO19&d4=GPIO13&d5=GPIO6&d6=GPIO5&d7=GPIO12&size=20x4", "aip31068:/dev/i2c-1?addr=0x3e&size=20x4",
		"waveshare1602:/dev/i2c-1?backlight=fixed", "fb:/dev/fb0",
		"st7567:/dev/spidev0.0?dc=GPIO6&reset=GPIO5&contrast=40&bias=7&rotate=180",
		"waveshare2in13v4:/dev/spidev0.0?dc=GPIO25&reset=GPIO17&busy=GPIO24&power=GPIO18", "inky:/dev/spidev0.0?model=phat&color=red&busy=GPIO17",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		fuzztest.Spec(t, text, Check(text), func(driver string) bool { return drivers().Drivers[driver] != nil })
	})
}
