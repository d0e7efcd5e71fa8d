package agent

import (
	"errors"
	"maps"
	"slices"
	"sync"

	"xtls-agent/control"
	"xtls-agent/hw/output"
)

// outlets are the outputs that commands switch, by their specs: two commands may switch the same one. They outlive wipes.
type outlets map[string]*outlet

func openOutlets(commands []Command, env output.Env) (outlets, error) {
	all := make(outlets)
	for _, c := range commands {
		spec := c.Output.String()
		if spec == "" || all[spec] != nil {
			continue
		}
		o, err := openOutlet(spec, env)
		if err != nil {
			return nil, errors.Join(err, all.close())
		}
		all[spec] = o
	}
	return all, nil
}

// close gives every output its initial value.
func (all outlets) close() error {
	var errs []error
	for _, o := range all {
		errs = append(errs, o.Close())
	}
	return errors.Join(errs...)
}

// inWords says of each output how it is doing.
func (all outlets) inWords() []string {
	var words []string
	for _, spec := range slices.Sorted(maps.Keys(all)) {
		since, err := all[spec].Trouble()
		words = append(words, hardwareInWords(spec, since, err))
	}
	return words
}

// outlet is an output in the words of package control, which knows no hardware.
type outlet struct {
	output.Output

	mu    sync.Mutex // guards heard
	heard []*func()  // who is told of changes
}

func openOutlet(spec string, env output.Env) (o *outlet, err error) {
	o = new(outlet)
	env.Changed = func(output.State) { o.changed() }
	o.Output, err = output.Open(spec, env)
	return o, err
}

func (o *outlet) changed() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, tell := range o.heard {
		(*tell)()
	}
}

// Subscribe implements control.Switch.
func (o *outlet) Subscribe(changed func()) (stop func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.heard = append(o.heard, &changed)
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.heard = slices.DeleteFunc(o.heard, func(other *func()) bool { return other == &changed })
	}
}

// State implements control.Switch.
func (o *outlet) State() (on bool, motion string, err error) {
	s, err := o.Output.State()
	switch s.Motion {
	case output.Pulsing:
		motion = "pulsing"
	case output.Blinking:
		motion = "blinking"
	}
	return s.On, motion, err
}

var _ control.Switch = (*outlet)(nil)
