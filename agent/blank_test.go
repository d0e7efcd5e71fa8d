//go:build !minimal

package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"periph.io/x/conn/v3/gpio"

	"xtls-agent/hw/display"
	"xtls-agent/hw/display/displaytest"
	"xtls-agent/hw/output"
	"xtls-agent/hw/output/outputtest"
)

// leftBehind is a device that was killed: its PIN stands on e-paper and in a picture, its lamp is on, and its door is being pulsed.
func leftBehind(t *testing.T) (cfg *Config, env Env, paper *displaytest.Paper, picture string) {
	t.Helper()
	paper, picture = displaytest.NewWaveshare2in13v4(), filepath.Join(t.TempDir(), "pin.png")
	cfg, err := ParseConfig([]byte(`
display = ["waveshare2in13v4:/dev/spidev0.0?dc=DC&reset=RST&busy=BUSY", "png:` + picture + `", "term:", "none:"]
button = ["gpio:GPIO4"]
state_dir = "/no/such/folder"
run_dir = "` + t.TempDir() + `"
[xmpp]
jid = "box@home.example"
password_file = "/no/such/file"
[lan]
mdns = false
` + switches))
	if err != nil {
		t.Fatal(err)
	}
	env = Env{Display: display.Env{Hardware: paper.Env().Hardware}}
	killed, err := display.OpenAll(texts(cfg.Display)[:2], env.Display, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := killed.Show(display.Screen{PIN: "12345679", URI: "xmpp:box@home.example?xtls-pair;pin=12345679"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = killed.Close() })
	if onPaper(t, paper) == "" {
		t.Fatal("there is no PIN on the paper")
	}
	paper.Crash()
	return cfg, env, paper, picture
}

// blank runs Blank and returns what it said of each piece of hardware.
func blank(ctx context.Context, cfg *Config, env Env) (said []string, err error) {
	err = Blank(ctx, cfg, env, func(spec string, err error) {
		driver, _, _ := strings.Cut(spec, "?")
		said = append(said, fmt.Sprint(driver, " ", err))
	})
	slices.Sort(said)
	return said, err
}

// After a crash no PIN is left on a display, and outputs have their safe values; network, state and buttons are left alone.
func TestBlank(t *testing.T) {
	cfg, env, paper, picture := leftBehind(t)
	wires := map[string]*outputtest.Wire{"GPIO27": {}, "GPIO22": {}}
	env.Output = output.Env{Pin: func(name string) (gpio.PinIO, error) { return wires[name].Open(name) }}
	env.Button.Pin = func(string) (gpio.PinIO, error) { t.Error("a button was opened"); return nil, errors.New("no") }
	said, err := blank(t.Context(), cfg, env)
	want := []string{"gpio:GPIO22 <nil>", "gpio:GPIO27 <nil>", "png:" + picture + " <nil>", "waveshare2in13v4:/dev/spidev0.0 <nil>"}
	if err != nil || !slices.Equal(said, want) {
		t.Errorf("%q, %v", said, err)
	}
	if onPaper(t, paper) != "" {
		t.Error("a PIN is left on the paper")
	}
	if _, err := os.Stat(picture); err == nil {
		t.Error("a PIN is left in the picture")
	}
	for name, want := range map[string]gpio.Level{"GPIO27": gpio.High, "GPIO22": gpio.Low} { // off, active low and high
		m := wires[name].Moves()
		if _, driven := wires[name].Level(); driven || len(m) != 1 || m[0].Level != want {
			t.Errorf("%s: %v, driven %t", name, m, driven)
		}
	}
}

// Hardware that is missing, or never answers, keeps nothing from the rest, and the whole is over in time.
func TestBlankWithoutHardware(t *testing.T) {
	cfg, env, paper, picture := leftBehind(t)
	paper.Fail(errors.New("no such bus"), 0)
	stuck := make(chan struct{})
	defer close(stuck)
	env.Output = output.Env{Pin: func(name string) (gpio.PinIO, error) {
		if name == "GPIO22" {
			<-stuck
		}
		return nil, errors.New(name + " is in use by \"relay\"")
	}}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	said, err := blank(ctx, cfg, env)
	if err == nil || err.Error() != "3 of 4 could not be blanked" || len(said) != 4 || !strings.Contains(said[3], "no such bus") ||
		said[0] != "gpio:GPIO22 does not answer: context deadline exceeded" || said[1] != `gpio:GPIO27 GPIO27 is in use by "relay"` {
		t.Errorf("%q, %v", said, err)
	}
	if _, err := os.Stat(picture); err == nil {
		t.Error("a PIN is left in the picture")
	}
}
