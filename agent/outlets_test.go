package agent

import (
	"errors"
	"strings"
	"testing"

	"periph.io/x/conn/v3/gpio"

	"xtls-agent/hw/output/outputtest"
	"xtls-agent/trust"
	"xtls-agent/xmpp/form"
)

const switches = `
[[command]]
name = "lamp"
output = "gpio:GPIO27?active=low"
[[command]]
name = "find"
output = "gpio:GPIO27?active=low"
offer = ["blink"]
blink = "1m"
[[command]]
name = "door"
output = "gpio:GPIO22"
offer = ["pulse"]
pulse = "1m"
`

// An owner switches what hangs on the box, is told what it is, and leaves nothing on when the box goes off.
func TestOutputsAreSwitched(t *testing.T) {
	wires := map[string]*outputtest.Wire{"GPIO27": {}, "GPIO22": {}}
	b := startBox(t, trust.NewMemStore(), switches, func(e *Env) {
		e.Output.Pin = func(name string) (gpio.PinIO, error) { return wires[name].Open(name) }
	})
	p := pairOn(t, b, newKeys(t, "phone"), "romeo@phone")
	defer p.Session.Close()
	wantLevels := func(lamp, door gpio.Level) {
		t.Helper()
		l, _ := wires["GPIO27"].Level()
		d, _ := wires["GPIO22"].Level()
		if l != lamp || d != door {
			t.Errorf("lamp %v, door %v, want %v, %v", l, d, lamp, door)
		}
	}
	call := func(command, word, want string) {
		t.Helper()
		res, err := p.Session.Call(t.Context(), command, func(*form.Form) (form.Values, error) {
			if word == "" {
				return form.Values{}, nil
			}
			return form.Values{"state": {word}}, nil
		})
		if err != nil || res.Text()+res.Failure != want {
			t.Errorf("%s %s: %q, %q, %v, want %q", command, word, res.Text(), res.Failure, err, want)
		}
	}
	wantLevels(gpio.High, gpio.Low)
	call("lamp", "", "State: off\n")
	call("lamp", "on", "State: on\n")
	wantLevels(gpio.Low, gpio.Low)
	call("door", "pulse", "State: on, pulsing\n")
	wantLevels(gpio.Low, gpio.High)
	call("find", "blink", "State: blinking\n") // the same lamp, which was on
	call("lamp", "on", "State: on\n")

	wires["GPIO22"].Fail(errors.New("it was pulled out"))
	call("door", "pulse", "it was pulled out")
	call("lamp", "", "State: on\n") // the rest works
	wires["GPIO22"].Fail(nil)

	// A wipe forgets owners, and leaves the lamp alone.
	old := b.screen.lastPIN(t)
	press(t, b, "hold 10")
	b.screen.lastPIN(t, old)
	wantLevels(gpio.Low, gpio.Low)
	b.stop()
	for name, w := range wires {
		if _, driven := w.Level(); driven {
			t.Errorf("%s is driven after the end", name)
		}
	}
	if m := wires["GPIO27"].Moves(); m[len(m)-1].Level != gpio.High {
		t.Errorf("the lamp was left on: %v", m)
	}
}

func TestOutputsInTheConfiguration(t *testing.T) {
	const head = "[[command]]\nname = \"a\"\n"
	for text, want := range map[string]string{
		"output = \"relay:1\"":                                  `line 3: output: unknown driver "relay"`,
		"output = \"gpio:GPIO27?active=1\"":                     "line 3: output: gpio: active=1 is not one of high, low",
		"output = \"gpio:GPIO27\"\nexec = [\"/bin/true\"]":      `command "a": output goes without exec`,
		"output = \"gpio:GPIO27\"\ntimeout = \"1s\"":            `command "a": output goes without exec`,
		"output = \"gpio:GPIO27\"\noffer = [\"toggle\"]":        `command "a": offer: "toggle" is unknown`,
		"output = \"gpio:GPIO27\"\npulse = \"2h\"":              `command "a": pulse must be at most 1h0m0s`,
		"exec = [\"/bin/true\"]\npulse = \"1s\"":                `command "a": offer, pulse and blink go with output`,
		"output = \"gpio:GPIO27\"\n[[command.field]]\nname='x'": `command "a": output goes without exec`,
	} {
		if _, err := ParseConfig([]byte(head + text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s …", text, err, want)
		}
	}
}
