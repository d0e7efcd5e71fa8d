package agent

import (
	"errors"
	"fmt"
	"time"

	"xtls-agent/control"
	"xtls-agent/control/exec"
	"xtls-agent/xmpp/form"
)

// Command is a [[command]] of the configuration: what an owner may have run.
type Command struct {
	Name    string            `toml:"name"`
	Title   string            `toml:"title"`
	Exec    []string          `toml:"exec"` // argument vector; {field} stands for a value
	Timeout Duration          `toml:"timeout"`
	User    string            `toml:"user"`
	Dir     string            `toml:"dir"`
	Env     map[string]string `toml:"env"`
	Fields  []CommandField    `toml:"field"`

	State      []string `toml:"state"`       // argument vector of a program whose last line is the state
	StateEvery Duration `toml:"state_every"` // how often it is asked besides

	// In the place of all these from exec on:
	Output Checked[OutputSpec] `toml:"output"`
	Offer  []string            `toml:"offer"` // of on, off, pulse, blink; nil: all of them
	Pulse  Duration            `toml:"pulse"` // how long
	Blink  Duration            `toml:"blink"` // how long
}

// CommandField is a [[command.field]].
type CommandField struct {
	Name      string   `toml:"name"`
	Label     string   `toml:"label"`
	Type      string   `toml:"type"`
	Options   []string `toml:"options"`
	Default   string   `toml:"default"`
	Required  *bool    `toml:"required"` // nil: yes, unless there is a default
	Min       *int64   `toml:"min"`
	Max       *int64   `toml:"max"`
	AllowDash bool     `toml:"allow_dash"` // values may begin with '-'
}

// The bounds of how often a program that tells a state runs by itself.
const (
	minStateEvery = Duration(time.Second)
	maxStateEvery = Duration(24 * time.Hour)
)

// check refuses what would be refused later.
func (c Command) check() error {
	asked := c.State != nil || c.StateEvery != 0
	program := c.Exec != nil || c.Timeout != 0 || c.User != "" || c.Dir != "" || c.Env != nil || c.Fields != nil
	switches := c.Offer != nil || c.Pulse != 0 || c.Blink != 0
	switch {
	case c.Output.Word != "" && asked:
		return errors.New("output goes without state and state_every: the output itself is read back")
	case c.StateEvery != 0 && c.State == nil:
		return errors.New("state_every goes with state")
	case c.StateEvery != 0 && (c.StateEvery < minStateEvery || c.StateEvery > maxStateEvery):
		return errors.New("state_every must be from 1s to 24h")
	case c.Output.Word != "" && program:
		return errors.New("output goes without exec, timeout, user, dir, env and fields")
	case c.Output.Word != "":
		_, err := c.switching(nil)
		return err
	case switches:
		return errors.New("offer, pulse and blink go with output")
	}
	for _, f := range c.Fields {
		if (f.Min == nil) != (f.Max == nil) {
			return fmt.Errorf("field %q: a range needs both min and max", f.Name)
		}
	}
	return c.definition().Check()
}

func (c Command) definition() exec.Definition {
	d := exec.Definition{
		Name: c.Name, Title: c.Title, Args: c.Exec, Timeout: time.Duration(c.Timeout),
		User: c.User, Dir: c.Dir, Env: c.Env, State: c.State, Every: c.StateEvery.std(),
	}
	for _, f := range c.Fields {
		d.Fields = append(d.Fields, exec.Field{Field: f.field(), AllowDash: f.AllowDash})
	}
	return d
}

func (f CommandField) field() form.Field {
	out := form.Field{Var: f.Name, Label: f.Label, Type: f.Type, Required: f.Default == ""}
	if out.Type == "" {
		out.Type = form.TextSingle
	}
	if f.Required != nil {
		out.Required = *f.Required
	}
	for _, o := range f.Options {
		out.Options = append(out.Options, form.Option{Value: o})
	}
	if f.Default != "" {
		out.Values = []string{f.Default}
	}
	if f.Min != nil && f.Max != nil {
		out.Range = &form.Range{Min: *f.Min, Max: *f.Max}
	}
	return out
}

// switching builds the command that drives an output.
func (c Command) switching(s control.Switch) (control.Command, error) {
	return control.SwitchCommand(control.SwitchDefinition{
		Name: c.Name, Title: c.Title, Offer: c.Offer, Pulse: c.Pulse.std(), Blink: c.Blink.std(),
	}, s)
}

// commands builds what the configuration describes.
func (c *Config) commands(runner *exec.Runner, outputs outlets) ([]control.Command, error) {
	var out []control.Command
	for _, cmd := range c.Commands {
		build := func() (control.Command, error) { return runner.Command(cmd.definition()) }
		if spec := cmd.Output.String(); spec != "" {
			build = func() (control.Command, error) { return cmd.switching(outputs[spec]) }
		}
		built, err := build()
		if err != nil {
			return nil, fmt.Errorf("command %q: %w", cmd.Name, err)
		}
		out = append(out, built)
	}
	return out, nil
}
