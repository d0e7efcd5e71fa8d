//go:build !minimal

package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpiotest"
	"periph.io/x/conn/v3/i2c"

	"xtls-agent/hw/button"
	"xtls-agent/hw/display/displaytest"
	"xtls-agent/hw/output/outputtest"
	"xtls-agent/trust"
)

// deniedInputs are input devices that the user may not open.
type deniedInputs struct{}

func (deniedInputs) List() ([]button.Node, error) {
	return []button.Node{{Path: "/dev/input/event0"}}, nil
}

func (deniedInputs) Open(string) (button.Input, error) {
	return nil, fmt.Errorf("not allowed: add the user that runs this program to the group input: %w", fs.ErrPermission)
}

// lines are GPIO lines, some of which cannot be had.
type lines struct {
	contacts map[string]*gpiotest.Pin // with switches on them
	wires    map[string]*outputtest.Wire
	refused  map[string]error
}

func (l lines) open(name string) (gpio.PinIO, error) {
	if err := l.refused[name]; err != nil {
		return nil, err
	}
	if w := l.wires[name]; w != nil {
		return w.Open(name)
	}
	return released{l.contacts[name]}, nil
}

// released is a pin whose In leaves it at its level: somebody holds it there.
type released struct{ *gpiotest.Pin }

func (r released) In(gpio.Pull, gpio.Edge) error { return nil }

const brokenHardware = `
display = ["term:", "ssd1306:/dev/i2c-1", "ssd1306:/dev/i2c-9"]
button = ["gpio:GOOD", "gpio:TAKEN", "gpio:STUCK", "evdev:?name=remote&key=KEY_OK"]
[[command]]
name = "lamp"
output = "gpio:LAMP"
[[command]]
name = "fan"
output = "gpio:FAN"
[[command]]
name = "pump"
output = "gpio:PUMP"
`

// What is broken is said in one line each, that tells what to do, and the rest keeps working: a bus that is not there, a display that
// answers and then stops, lines in use by others, no permission, a button that is stuck, and one that bounces a hundred times.
func TestBrokenHardwareKeepsNothingFromTheRest(t *testing.T) {
	oled := displaytest.NewOLED(0x3c, 64)
	pins := lines{
		contacts: map[string]*gpiotest.Pin{
			"GOOD": {L: gpio.High, EdgesChan: make(chan gpio.Level)}, "STUCK": {L: gpio.Low, EdgesChan: make(chan gpio.Level)},
		},
		wires: map[string]*outputtest.Wire{"LAMP": {}},
		refused: map[string]error{
			"TAKEN": errors.New(`TAKEN is in use by "relay"`), "FAN": errors.New(`FAN is in use by "relay"`),
			"PUMP": errors.New("not allowed: add the user that runs this program to the group gpio: operation not permitted"),
		},
	}
	log := new(terminal)
	display, rest, _ := strings.Cut(strings.TrimSpace(brokenHardware), "\n[[")
	b := startBoxOn(t, trust.NewMemStore(), display, "\n[["+rest, func(e *Env) {
		e.Log = slog.New(slog.NewTextHandler(log, nil))
		e.Button.Pin, e.Output.Pin, e.Button.Inputs = pins.open, pins.open, deniedInputs{}
		e.Display.Hardware = oled.Env().Hardware
		e.Display.OpenI2C = func(path string) (i2c.BusCloser, error) {
			if path == "/dev/i2c-9" {
				return nil, errors.New("there is no such bus: switch I²C on")
			}
			return oled.OpenI2C(path)
		}
	})
	pin := b.screen.lastPIN(t)
	oled.Fail(errors.New("remote I/O error"), 0) // it has shown the PIN, and stops
	p := pairOn(t, b, newKeys(t, "phone"), "romeo@phone")
	defer p.Session.Close()
	if res := setTo(t, p.Session, "lamp", "state", "on"); res.State == nil || res.State.Word != "on" {
		t.Errorf("%+v", res)
	}
	for command, want := range map[string]string{"fan": "in use", "pump": "to the group gpio"} {
		if res := setTo(t, p.Session, command, "state", "on"); !strings.Contains(res.Failure, want) {
			t.Errorf("%s: %+v", command, res)
		}
	}
	push(pins.contacts["GOOD"], 100)
	b.screen.lastPIN(t, pin)
	windows := strings.Count(log.String(), "event=press")
	time.Sleep(100 * time.Millisecond)
	if n := strings.Count(log.String(), "event=press"); n != 1 || windows != 1 {
		t.Errorf("%d presses", n)
	}
	b.stop()
	for _, what := range []string{
		"there is no such bus: switch I²C on", "remote I/O error", "TAKEN is in use by", "FAN is in use by", "to the group gpio",
		"to the group input", "down already",
	} {
		n := 0
		for line := range strings.Lines(log.String()) {
			if strings.Contains(line, what) && strings.Contains(line, "level=WARN") && !strings.Contains(line, "state is unknown") {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%q is said %d times:\n%s", what, n, log)
		}
	}
}

// With no display that works a press of the button opens no window: nobody could read the PIN. The log and status say why.
func TestPressWithoutADisplay(t *testing.T) {
	oled, log := displaytest.NewOLED(0x3c, 64), new(terminal)
	oled.Fail(errors.New("remote I/O error"), 0)
	const hardware = "display = [\"ssd1306:/dev/i2c-1\", \"none:\"]\nbutton = [\"socket:RUN/button\"]\n"
	b := startBoxOn(t, trust.NewMemStore(), hardware, "", func(e *Env) {
		e.Log = slog.New(slog.NewTextHandler(log, nil))
		e.Display.Hardware = oled.Env().Hardware
	})
	press(t, b, "press")
	log.waitFor(t, `level=WARN msg="no pairing window" err="pairing: no display works, so no PIN can be shown`)
	socket := filepath.Join(b.runDir, socketName)
	res, err := CallLocal(t.Context(), socket, "status", nil)
	for _, want := range []string{"Pairing: closed", "ssd1306:/dev/i2c-1 has failed for", "remote I/O error"} {
		if text := res.Text(); err != nil || !strings.Contains(text, want) {
			t.Errorf("status without %q: %s, %v", want, text, err)
		}
	}
	if res, err := CallLocal(t.Context(), socket, "pair", nil); !strings.Contains(fmt.Sprint(res, err), "no display works") {
		t.Errorf("pair: %v, %v", res, err)
	}
}

// push presses a switch that bounces n times, within 10 ms, at either end.
func push(p *gpiotest.Pin, n int) {
	move := func(to gpio.Level) {
		for range n {
			p.EdgesChan <- to
			p.EdgesChan <- !to
			time.Sleep(10 * time.Millisecond / time.Duration(n))
		}
		p.EdgesChan <- to
	}
	move(gpio.Low)
	time.Sleep(100 * time.Millisecond)
	move(gpio.High)
}
