//go:build !minimal

package device

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpiotest"

	"xtls-agent/agent"
	"xtls-agent/agent/trial"
	"xtls-agent/hw/button"
	"xtls-agent/hw/display/displaytest"
	"xtls-agent/hw/output"
	"xtls-agent/internal/cli"
)

// A person tries an OLED, a button on GPIO that bounces, and a relay.
func TestHWTest(t *testing.T) {
	cfg, err := agent.ParseConfig([]byte(`
display = ["ssd1306:/dev/i2c-1", "ssd1306:/dev/i2c-1?addr=0x3d", "none:"]
button = ["gpio:GPIO17"]
[[command]]
name = "lamp"
output = "gpio:GPIO27"
`))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		oled := displaytest.NewOLED(0x3C, 64)
		switched, relay := &gpiotest.Pin{EdgesChan: make(chan gpio.Level)}, &gpiotest.Pin{}
		var out bytes.Buffer
		h := &hwTest{
			asker: newAsker(cli.Streams{In: strings.NewReader("y\n"), Out: io.Discard}, &out),
			env: trial.Env{
				Display: oled.Env(),
				Button:  button.Env{Pin: func(string) (gpio.PinIO, error) { return switched, nil }},
				Output:  output.Env{Pin: func(string) (gpio.PinIO, error) { return relay, nil }},
			},
			show: 5 * time.Second, limit: 30 * time.Second, outputs: true,
		}
		go func() {
			time.Sleep(7 * time.Second)
			if img, err := oled.Picture(); err != nil || !img.BitAt(0, 0) {
				t.Errorf("no test picture stands while the button is waited for: %v", err)
			}
			for _, l := range []gpio.Level{gpio.Low, gpio.High, gpio.Low} {
				switched.EdgesChan <- l
				time.Sleep(2 * time.Millisecond)
			}
			time.Sleep(118 * time.Millisecond)
			switched.EdgesChan <- gpio.High
		}()
		var report hwResult
		err = h.run(t.Context(), cfg, func(v any) error {
			b, err := json.Marshal(v)
			if err != nil {
				return err
			}
			return json.Unmarshal(b, &report)
		})
		if err == nil || err.Error() != "1 of 5 did not work" {
			t.Errorf("%v\n%s", err, out.String())
		}
		for _, want := range []string{
			"display  ssd1306:/dev/i2c-1  shows the test picture\n",
			"display  ssd1306:/dev/i2c-1?addr=0x3d  failed: no answer from the ssd1306 at address 0x3d",
			"button   gpio:GPIO17  press it now, within 30s\n",
			"button   gpio:GPIO17  seen, let go after 120 ms, 1 bounce\n",
			"output   gpio:GPIO27  let it blink (command lamp)? What hangs on it is switched. [y/N] y\n",
			"output   gpio:GPIO27  blinked\n",
		} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("never said %q:\n%s", want, out.String())
			}
		}
		if report.OK || !report.Buttons[0].OK || report.Buttons[0].Bounces != 1 || report.Displays[1].OK || !report.Outputs[0].OK {
			t.Errorf("%+v", report)
		}
		if on, _, err := oled.State(); on || err != nil || oled.Held() != 0 || relay.Read() != gpio.Low {
			t.Errorf("afterwards the OLED is on: %t, %v, held: %d, the relay: %v", on, err, oled.Held(), relay.Read())
		}
	})
}

// Nothing is kept of a trial: no state, no socket.
func TestHWTestLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "config.toml")
	text := "display = [\"none:\"]\nstate_dir = \"" + dir + "/state\"\nrun_dir = \"" + dir + "/run\"\n"
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if code := Main([]string{"hw-test", "--show", "1ms", "--config", config}, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &out}); code != 0 {
		t.Errorf("exit code %d\n%s", code, out.String())
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left: %v, %v", entries, err)
	}
}
