package boards

import (
	"strings"
	"testing"

	"xtls-agent/internal/guest"
)

// What goes to a display goes over I²C and SPI of the kernel's own.
func TestSabreLite(t *testing.T) {
	t.Parallel()
	b := newBoard(t, guest.Config{Machine: guest.SabreLite()}, "hw/display")
	b.kernelTests("hw/display", "OfTheKernel", "XTLS_TEST_I2C=0", "XTLS_TEST_SPI=/dev/spidev0.0", "XTLS_TEST_LINE="+guest.DataLine)
	agent := b.agent("name = \"box\"\ndisplay = [\"ssd1306:/dev/i2c-0\"]\nstate_dir = \"/run/state\"\nrun_dir = \"/run/agent\"\n")
	if said := b.run("/bin/xtls-agent", "status", "--config", "/run/config.toml"); !strings.Contains(said, "ssd1306:/dev/i2c-0 works") {
		t.Errorf("status says:\n%s", said)
	}
	b.end(agent)
}
