package owner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"xtls-agent/client"
	"xtls-agent/internal/cli"
	"xtls-agent/owner"
)

func (p *program) commandsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "commands DEVICE", Short: "List what a device can do", Args: cobra.ExactArgs(1),
		ValidArgsFunction: p.completeDevices,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := p.session(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer s.Close()
			items, err := s.Commands(cmd.Context())
			if err != nil {
				return err
			}
			return p.listCommands(items, s.States())
		},
	}
}

// commandJSON is a command in JSON, with the state of what it controls.
type commandJSON struct {
	Name    string `json:"name"`
	Title   string `json:"title,omitempty"`
	State   string `json:"state,omitempty"`
	Motion  string `json:"motion,omitempty"`
	Unknown string `json:"unknown,omitempty"`
}

// listCommands prints the commands, each with the state that the device has told of it.
func (p *program) listCommands(items []owner.Command, reports []owner.Report) error {
	states := make(map[string]owner.State)
	for _, r := range reports {
		states[r.Command] = r.State
	}
	list, rows := []commandJSON{}, [][]string{}
	for _, item := range items {
		state := states[item.Node]
		list = append(list, commandJSON{item.Node, item.Name, state.Word, state.Motion, state.Unknown})
		rows = append(rows, []string{item.Node, item.Name, state.String()})
	}
	if p.json {
		return p.printJSON(list)
	}
	return p.table(rows)
}

func (p *program) callCommand() *cobra.Command {
	id := ""
	cmd := &cobra.Command{
		Use: "call DEVICE COMMAND [FIELD=VALUE…]", Short: "Run a command of a device",
		Long: `call runs a command and prints what the device answers. A field that is given more than once has
several values. FIELD=- reads the value from stdin, for what should not show in the list of processes; a password
can only be given so.

Without the fields that a command needs, the error says which there are.

A call runs once. If the line breaks, call reconnects and asks what came of it. If that cannot be found
out the exit code is 8, and the error tells the call's id: with --id and the same command it can be asked
for, for ten minutes. An id of your own, of a script say, makes a call that may be repeated by hand.`,
		Example: `  xtlsctl call lamp lamp state=on
  xtlsctl call lamp status --json
  xtlsctl call lamp pair allow=juliet@home.example`,
		Args: cobra.MinimumNArgs(2), ValidArgsFunction: p.completeCall,
		RunE: func(cmd *cobra.Command, args []string) error {
			values, err := parseValues(args[2:], p.std.In)
			if err != nil {
				return err
			}
			return p.call(cmd.Context(), args[0], args[1], id, values, args[2:])
		},
	}
	cmd.Flags().StringVar(&id, "id", "", "ask for the call with this id, or give it to a new one")
	return cmd
}

func (p *program) call(ctx context.Context, device, command, id string, values owner.Values, args []string) error {
	if len(id) > maxID {
		return cli.Usagef("--id has at most %d characters", maxID)
	}
	c, t, err := p.target(device)
	if err != nil {
		return err
	}
	asked := false
	steps := newProgress(p.std.Err)
	f := c.FollowForCall(t, func(s owner.Standing, _ error) {
		if s == owner.Reconnecting {
			steps.show("reconnecting…")
		}
	})
	defer f.Close()
	res, err := f.Call(ctx, client.CallRequest{
		Command: command, ID: id,
		Fill: func(f *owner.Form) (owner.Values, error) {
			asked = true
			if err := checkSecrets(f, args); err != nil {
				return nil, err
			}
			return values, checkValues(command, f, values)
		},
	})
	steps.end()
	var answered *owner.RequestError
	switch {
	case errors.As(err, &answered) && answered.Condition == owner.ItemNotFound:
		return noSuchCommand(ctx, f, command)
	case err != nil:
		return err
	}
	if !asked && len(values) > 0 {
		printf(p.std.Err, "note: %s takes no fields; those given were not sent\n", command)
	}
	return p.printResult(command, res)
}

func (p *program) printResult(command string, res owner.Result) error {
	if p.json {
		if err := p.printJSON(res); err != nil {
			return err
		}
	} else {
		p.printText(command, res)
	}
	if res.Note != "" && !p.json {
		printf(p.std.Err, "note: %s\n", cli.OneLine(res.Note))
	}
	if res.Failure != "" {
		return &commandError{res.Failure}
	}
	return nil
}

// printText prints what a command answered, and then the state of its thing: "lamp: on".
func (p *program) printText(command string, res owner.Result) {
	state := res.State
	res.State = nil
	if text := strings.TrimRight(res.Text(), "\n"); text != "" {
		printf(p.std.Out, "%s\n", printable(text))
	}
	if state != nil {
		printf(p.std.Out, "%s: %s\n", command, cli.OneLine(state.String()))
	}
}

// printable keeps a device's output from steering the terminal.
func printable(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		cells := strings.Split(line, "\t")
		for j := range cells {
			cells[j] = cli.OneLine(cells[j])
		}
		lines[i] = strings.Join(cells, "\t")
	}
	return strings.Join(lines, "\n")
}

func noSuchCommand(ctx context.Context, f *client.Following, command string) error {
	items, err := f.Commands(ctx)
	if err != nil {
		return cli.Usagef("the device has no command %.40q", command)
	}
	names := make([]string, 0, len(items))
	for _, item := range items {
		names = append(names, item.Node)
	}
	return cli.Usagef("the device has no command %.40q: it has %s", command, strings.Join(names, ", "))
}

// maxID is the longest id of a call.
const maxID = 64

// maxStdin bounds a value from stdin, as the device does.
const maxStdin = 16 << 10

// parseValues reads FIELD=VALUE….
func parseValues(args []string, stdin io.Reader) (owner.Values, error) {
	values := owner.Values{}
	usedStdin := false
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok || name == "" {
			return nil, cli.Usagef("%.40q is no field: write FIELD=VALUE", arg)
		}
		if value == "-" {
			if usedStdin {
				return nil, cli.Usagef("only one field can be read from stdin")
			}
			usedStdin = true
			data, err := io.ReadAll(io.LimitReader(stdin, maxStdin+1))
			if err != nil {
				return nil, fmt.Errorf("reading field %q from stdin: %w", name, err)
			}
			if len(data) > maxStdin {
				return nil, cli.Usagef("field %q: stdin holds more than %d bytes", name, maxStdin)
			}
			value = strings.TrimRight(string(data), "\r\n")
		}
		values[name] = append(values[name], value)
	}
	return values, nil
}

// checkSecrets refuses a secret among the arguments, where everybody on this machine can read it.
func checkSecrets(f *owner.Form, args []string) error {
	for _, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		secret := slices.ContainsFunc(f.Fields, func(field owner.Field) bool { return field.Var == name && field.Type == owner.Private })
		if secret && value != "-" {
			return cli.Usagef("field %.40q is a secret, and arguments can be seen by others: give it on stdin, with %.40s=-", name, name)
		}
	}
	return nil
}

// checkValues holds the values against the form before anything leaves, and says what there is to fill.
func checkValues(command string, f *owner.Form, values owner.Values) error {
	submitted, err := f.Submit(values)
	if err == nil {
		_, err = f.Validate(submitted)
	}
	var field *owner.FieldError
	if errors.As(err, &field) {
		return cli.Usagef("%w: write %s", field, usageOf(command, f))
	}
	return err
}

// usageOf describes the fields of a command in a line: those in brackets may be left out.
func usageOf(command string, f *owner.Form) string {
	parts := []string{command}
	for _, field := range f.Fields {
		if field.Type == owner.Hidden || field.Type == owner.Fixed {
			continue
		}
		parts = append(parts, usageOfField(field))
	}
	return strings.Join(parts, " ")
}

func usageOfField(f owner.Field) string {
	var choices []string
	for _, o := range f.Options {
		choices = append(choices, o.Value)
	}
	what := strings.ToUpper(f.Var)
	switch {
	case len(choices) > 0:
		what = strings.Join(choices, "|")
	case f.Type == owner.Boolean:
		what = "true|false"
	case f.Range != nil:
		what = fmt.Sprintf("%d..%d", f.Range.Min, f.Range.Max)
	}
	text := f.Var + "=" + what
	if f.Multi() {
		text += "…"
	}
	if f.Label != "" && !strings.EqualFold(f.Label, f.Var) {
		text += " (" + f.Label + ")"
	}
	if !f.Required {
		text = "[" + text + "]"
	}
	return text
}
