package setup

import (
	"context"
	"errors"
	"strings"

	"xtls-agent/agent/trial"
	"xtls-agent/hw/button"
	"xtls-agent/hw/display"
)

// Found is hardware that was found: the spec string that opens it, and what it is, for people.
type Found struct{ Spec, Name string }

// FindDisplays looks for displays, the likeliest first. The error tells what could not be looked at; what was found counts all
// the same.
func FindDisplays(env trial.Env) ([]Found, error) {
	candidates, err := display.Find(env.Display)
	var found []Found
	for _, c := range candidates {
		found = append(found, Found(c))
	}
	return found, err
}

// CheckDisplay reports what is wrong with the spec string of a display that a service shall have: it has no terminal.
func CheckDisplay(spec string) error {
	if spec == "term:" {
		return errTerminal
	}
	return display.Check(spec)
}

// CheckButton does the same for a button.
func CheckButton(spec string) error {
	if err := button.Check(spec); err != nil {
		return err
	}
	if strings.HasPrefix(spec, "key:") {
		return errTerminal
	}
	return nil
}

var errTerminal = errors.New("a service has no terminal: term: and key: are for a device that somebody starts by hand")

// Inputs lists the names of the input devices that have keys: keyboards, remote controls, buttons that the kernel knows.
func Inputs(env trial.Env) ([]string, error) {
	devices, err := button.Devices(env.Button.Inputs)
	var names []string
	for _, d := range devices {
		names = append(names, d.Name)
	}
	return names, err
}

// Key is a key that somebody has pressed: on which device, what the kernel calls it, and the spec string of a button that it is.
type Key struct{ Device, Name, Spec string }

// WatchKeys tells of the keys that are pressed on any input device, until ctx ends.
func WatchKeys(ctx context.Context, env trial.Env, tell func(Key)) error {
	return button.Learn(ctx, env.Button.Inputs, func(l button.Learnt) {
		k := Key{Device: l.Device.Name, Name: l.Key}
		if l.Key != "" {
			k.Spec = l.Spec()
		}
		tell(k)
	})
}

// Lines lists the GPIO lines that have a name: which of them are free, and who has the others.
func Lines(env trial.Env) (free []string, taken map[string]string, err error) {
	lines, err := button.Lines(env.Button)
	taken = map[string]string{}
	for _, l := range lines {
		if l.By != "" {
			taken[l.Name] = l.By
			continue
		}
		free = append(free, l.Name)
	}
	return free, taken, err
}

// LineSpec is what opens a switch between a GPIO line and ground as a button.
func LineSpec(name string) string {
	return "gpio:" + strings.NewReplacer("%", "%25", "?", "%3F").Replace(name)
}
