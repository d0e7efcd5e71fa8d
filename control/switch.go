package control

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"xtls-agent/xmpp/form"
)

// Switch is one thing that is on or off. Its methods return at once.
type Switch interface {
	Set(on bool) error

	// Pulse switches on, and off after d.
	Pulse(d time.Duration) error

	// Blink switches on and off for d, and leaves the thing as it was.
	Blink(d time.Duration) error

	// State reads back what the thing is; motion is what it does by itself, "pulsing" or "blinking", or "".
	State() (on bool, motion string, err error)
	// Subscribe is that of a [StateSource].
	Subscribe(changed func()) (stop func())
}

// The words of a switch's field "state".
const (
	switchOn    = "on"
	switchOff   = "off"
	switchPulse = "pulse"
	switchBlink = "blink"
)

// motionBlinking is the motion in which a thing is on and off in turn.
const motionBlinking = "blinking"

// switchEvery is how often a switch is read back besides: the hardware may have gone, and says nothing then.
const switchEvery = 5 * time.Second

// SwitchDefinition describes the command that drives a Switch.
type SwitchDefinition struct {
	Name, Title string
	Offer       []string      // of "on", "off", "pulse", "blink"; nil is all of them
	Pulse       time.Duration // how long; default a second
	Blink       time.Duration // how long; default ten seconds
}

// maxMotion is the longest pulse or blinking.
const maxMotion = time.Hour

// SwitchCommand returns the command that drives s. Its one field says what to do; without it nothing is done. In either case the
// state is answered, as it was read back.
func SwitchCommand(d SwitchDefinition, s Switch) (Command, error) {
	d, err := d.checked()
	if err != nil {
		return Command{}, err
	}
	f := form.Field{Var: FieldState, Type: form.ListSingle, Label: "State", Desc: "Leave it empty to be told the state."}
	for _, word := range d.Offer {
		f.Options = append(f.Options, form.Option{Value: word})
	}
	return Command{
		Name: d.Name, Title: d.Title, Fields: []form.Field{f},
		Run: func(_ context.Context, c Call) (Result, error) {
			if err := d.do(c.Values.Get(FieldState), s); err != nil {
				return Result{}, err
			}
			state, err := switchState(s)
			return Result{State: &state}, err
		},
		State: &StateSource{
			Read:      func(context.Context) (State, error) { return switchState(s) },
			Every:     switchEvery,
			Subscribe: func(changed func()) (stop func()) { return s.Subscribe(changed) },
		},
	}.checked()
}

// checked returns d with its defaults, or why nothing can be made of it.
func (d SwitchDefinition) checked() (SwitchDefinition, error) {
	words := []string{switchOn, switchOff, switchPulse, switchBlink}
	if d.Offer == nil {
		d.Offer = words
	}
	if d.Pulse == 0 {
		d.Pulse = time.Second
	}
	if d.Blink == 0 {
		d.Blink = 10 * time.Second
	}
	seen := make(map[string]bool)
	for _, word := range d.Offer {
		switch {
		case !slices.Contains(words, word):
			return d, fmt.Errorf("offer: %.40q is unknown: it must be one of %s", word, strings.Join(words, ", "))
		case seen[word]:
			return d, fmt.Errorf("offer: %q stands there twice", word)
		}
		seen[word] = true
	}
	switch {
	case len(d.Offer) == 0:
		return d, fmt.Errorf("offer: nothing is offered: leave it out for %s", strings.Join(words, ", "))
	case d.Pulse < 0 || d.Pulse > maxMotion:
		return d, fmt.Errorf("pulse must be at most %v", maxMotion)
	case d.Blink < 0 || d.Blink > maxMotion:
		return d, fmt.Errorf("blink must be at most %v", maxMotion)
	}
	return d, nil
}

// do does what a word says; the empty word is nothing. A word that is not offered does not come here: the form refuses it.
func (d SwitchDefinition) do(word string, s Switch) error {
	switch word {
	case switchOn, switchOff:
		return s.Set(word == switchOn)
	case switchPulse:
		return s.Pulse(d.Pulse)
	case switchBlink:
		return s.Blink(d.Blink)
	}
	return nil
}

// switchState reads a switch back.
func switchState(s Switch) (State, error) {
	on, motion, err := s.State()
	if err != nil {
		return State{}, err
	}
	word := switchOff
	if on {
		word = switchOn
	}
	return State{Word: word, Motion: motion}, nil
}
