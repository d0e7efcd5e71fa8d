package control_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"xtls-agent/control"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/form"
)

// relay is a switch that notes what is done to it.
type relay struct {
	on     bool
	motion string
	err    error
	did    []string
}

func (r *relay) Set(on bool) error {
	r.on, r.motion = on, ""
	r.did = append(r.did, fmt.Sprint("set ", on))
	return r.err
}

func (r *relay) Pulse(d time.Duration) error {
	r.on, r.motion = true, "pulsing"
	r.did = append(r.did, fmt.Sprint("pulse ", d))
	return r.err
}

func (r *relay) Blink(d time.Duration) error {
	r.motion = "blinking"
	r.did = append(r.did, fmt.Sprint("blink ", d))
	return r.err
}

func (r *relay) State() (bool, string, error) { return r.on, r.motion, r.err }

func (r *relay) Subscribe(func()) (stop func()) { return func() {} }

func TestSwitch(t *testing.T) {
	door := new(relay)
	command, err := control.SwitchCommand(control.SwitchDefinition{Name: "door", Title: "Garage door", Pulse: 300 * time.Millisecond}, door)
	if err != nil {
		t.Fatal(err)
	}
	only, err := control.SwitchCommand(control.SwitchDefinition{Name: "only", Offer: []string{"pulse"}}, door)
	if err != nil {
		t.Fatal(err)
	}
	r := control.NewRegistry(nil)
	if err := r.Add(command, only); err != nil {
		t.Fatal(err)
	}
	s := connect(t, r, alice)
	for _, c := range []struct{ command, word, did, text string }{
		{"door", "", "", "State: off\n"},
		{"door", "on", "set true", "State: on\n"},
		{"door", "", "", "State: on\n"},
		{"door", "blink", "blink 10s", "State: blinking\n"},
		{"door", "off", "set false", "State: off\n"},
		{"door", "pulse", "pulse 300ms", "State: on, pulsing\n"},
		{"only", "pulse", "pulse 1s", "State: on, pulsing\n"},
	} {
		door.did = nil
		v := form.Values{}
		if c.word != "" {
			v["state"] = []string{c.word}
		}
		got, err := call(t, s, c.command, v)
		if err != nil || got.Text() != c.text || strings.Join(door.did, " ") != c.did {
			t.Errorf("%s %q: %q, %v, %v; did %q", c.command, c.word, got.Text(), got.Failure, err, door.did)
		}
	}

	// What is not offered is not done.
	door.did = nil
	for command, word := range map[string]string{"door": "toggle", "only": "on"} {
		var xe *xmpp.Error
		if _, err := call(t, s, command, form.Values{"state": {word}}); !errors.As(err, &xe) || xe.Condition != xmpp.BadRequest || door.did != nil {
			t.Errorf("%s %q: %v, did %q", command, word, err, door.did)
		}
	}

	door.err = errors.New("GPIO27 is in use")
	for _, word := range []string{"", "on"} {
		if got, err := call(t, s, "door", form.Values{"state": {word}}); err != nil || got.Failure != "GPIO27 is in use" {
			t.Errorf("broken, %q: %+v, %v", word, got, err)
		}
	}
}

func TestSwitchRefuses(t *testing.T) {
	for want, d := range map[string]control.SwitchDefinition{
		`offer: "toggle" is unknown: it must be one of on, off, pulse, blink`: {Name: "a", Offer: []string{"on", "toggle"}},
		`offer: "on" stands there twice`:                                      {Name: "a", Offer: []string{"on", "on"}},
		"offer: nothing is offered":                                           {Name: "a", Offer: []string{}},
		"pulse must be at most 1h0m0s":                                        {Name: "a", Pulse: 2 * time.Hour},
		"blink must be at most 1h0m0s":                                        {Name: "a", Blink: 2 * time.Hour},
		"a name has lowercase letters":                                        {Name: "A"},
	} {
		if _, err := control.SwitchCommand(d, new(relay)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", d, err, want)
		}
	}
}
