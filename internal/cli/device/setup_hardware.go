package device

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"xtls-agent/agent/setup"
	"xtls-agent/agent/trial"
	"xtls-agent/internal/cli"
)

// noDisplay is the display of a device that has none.
const noDisplay = "none:"

// An option is something that can be chosen. take tries it, and returns its spec string, or "" for another choice.
type option struct {
	name string
	take func(context.Context) (string, error)
}

// pick lets a person choose until something was taken; "" is nothing at all. Whoever knows better types a spec string.
func (t *talk) pick(ctx context.Context, what string, options []option, known func(context.Context, string) (string, error)) (string, error) {
	for {
		for i, o := range options {
			t.printf("  %d) %s\n", i+1, o.name)
		}
		none := len(options) + 1
		t.printf("  %d) none\n", none)
		text, err := t.ask(ctx, "Which "+what+"? A number, or a spec string (docs/"+what+"s.md) [1]:")
		if err != nil {
			return "", err
		}
		n, notNumber := strconv.Atoi(cmp.Or(text, "1"))
		spec := ""
		switch {
		case text == "none" || n == none:
			return "", nil
		case notNumber == nil && n >= 1 && n < none:
			spec, err = options[n-1].take(ctx)
		case strings.Contains(text, ":"):
			spec, err = known(ctx, text)
		default:
			t.printf("Type a number from 1 to %d.\n", none)
		}
		if spec != "" || err != nil {
			return spec, err
		}
	}
}

// some lets a person pick one thing and, as long as he wants, more.
func (t *talk) some(
	ctx context.Context, what string, options []option, known func(context.Context, string) (string, error),
) (specs []string, err error) {
	for {
		spec, err := t.pick(ctx, what, options, known)
		if err != nil || spec == "" {
			return specs, err
		}
		if !slices.Contains(specs, spec) {
			specs = append(specs, spec)
		}
		if more, err := t.yes(ctx, "Another "+what+"?", false); err != nil || !more {
			return specs, err
		}
	}
}

// complain says what could not be looked at, a line each.
func (t *talk) complain(err error) {
	if err == nil {
		return
	}
	for line := range strings.Lines(err.Error()) {
		t.printf("Note: %s\n", inWords(errors.New(strings.TrimSpace(line))))
	}
}

func (t *talk) askDisplays(ctx context.Context) error {
	t.printf("Looking for displays …\n")
	found, err := setup.FindDisplays(t.env)
	t.complain(err)
	var options []option
	for _, f := range found {
		options = append(options, option{f.Name, func(ctx context.Context) (string, error) { return t.tryDisplay(ctx, f.Spec) }})
	}
	specs, err := t.some(ctx, "display", options, t.tryDisplay)
	if err != nil {
		return err
	}
	if specs == nil {
		specs = []string{noDisplay}
		t.printf("Without a display there is no PIN to show: see [pairing] mode in `man xtls-agent.toml` for the other ways.\n")
	}
	t.answers.Displays = specs
	return nil
}

// tryDisplay shows the test picture. It returns the spec if the person takes the display.
func (t *talk) tryDisplay(ctx context.Context, spec string) (string, error) {
	if err := setup.CheckDisplay(spec); err != nil || spec == noDisplay {
		return t.refused(spec, err)
	}
	if strings.HasPrefix(spec, "fb:") {
		t.printf("If that is the screen you are looking at, the picture covers these words: Enter then says that you see it, and brings them back.\n")
	}
	t.printf("Showing the test picture on %s …\n", spec)
	p, err := t.env.Show(ctx, spec)
	if ctx.Err() != nil {
		return "", cli.ErrInterrupted
	}
	if err != nil {
		return t.allTheSame(ctx, spec, err)
	}
	seen, err := t.yes(ctx, "Do you see it, with a frame on all four edges?", true)
	if err := errors.Join(err, p.Close()); err != nil || !seen {
		return "", err
	}
	return spec, nil
}

// refused says what is wrong with a spec string, if something is; such a one is not taken.
func (t *talk) refused(spec string, err error) (string, error) {
	if err == nil {
		return spec, nil
	}
	t.printf("%s\n", inWords(err))
	return "", nil
}

// allTheSame asks whether to take what does not work.
func (t *talk) allTheSame(ctx context.Context, spec string, why error) (string, error) {
	t.printf("It does not work: %s\n", inWords(why))
	if take, err := t.yes(ctx, "Take it all the same?", false); err != nil || !take {
		return "", err
	}
	return spec, nil
}

func (t *talk) askButtons(ctx context.Context) error {
	t.printf("Looking for buttons …\n")
	free, taken, err := setup.Lines(t.env)
	t.complain(err)
	inputs, err := setup.Inputs(t.env)
	t.complain(err)
	var options []option
	if len(free)+len(taken) > 0 {
		options = append(options, option{"a switch on a GPIO line", func(ctx context.Context) (string, error) {
			return t.askLine(ctx, free, taken)
		}})
	}
	if len(inputs) > 0 {
		options = append(options, option{"a key of one of these: " + cli.OneLine(strings.Join(inputs, "; ")), t.learnKey})
	}
	t.answers.Buttons, err = t.some(ctx, "button", options, t.tryButton)
	return err
}

// usualLine is where the documentation has the button.
const usualLine = "GPIO17"

func (t *talk) askLine(ctx context.Context, free []string, taken map[string]string) (string, error) {
	name, err := t.ask(ctx, "Its line ["+usualLine+"]:")
	if err != nil {
		return "", err
	}
	if name == "" {
		name = usualLine
	}
	switch by := taken[name]; {
	case by != "":
		t.printf("%s is in use by %q.\n", name, cli.OneLine(by))
	case !slices.Contains(free, name):
		t.printf("No line is called %q. There are: %s\n", name, cli.OneLine(strings.Join(free, ", ")))
	default:
		return t.tryButton(ctx, setup.LineSpec(name))
	}
	return "", nil
}

// tryButton waits for a press. It returns the spec if the person takes the button.
func (t *talk) tryButton(ctx context.Context, spec string) (string, error) {
	if err := setup.CheckButton(spec); err != nil {
		return t.refused(spec, err)
	}
	try, err := t.yes(ctx, "Try it? Then press it when you are told to.", true)
	if err != nil {
		return "", err
	}
	if !try {
		return spec, nil
	}
	skip := ""
	if t.atTerminal() {
		skip = "; Enter skips this"
	}
	t.printf("Press it now, within %v%s …\n", pressLimit, skip)
	p, err := t.awaitPress(ctx, spec)
	switch {
	case ctx.Err() != nil:
		return "", cli.ErrInterrupted
	case errors.Is(err, errSkipped):
		return spec, nil
	case err != nil:
		return t.allTheSame(ctx, spec, err)
	}
	t.printf("It works: %s\n", pressInWords(p))
	return spec, nil
}

var errSkipped = errors.New("skipped")

// awaitPress waits for a press or, at a terminal, for Enter.
func (t *talk) awaitPress(ctx context.Context, spec string) (trial.Press, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, pressLimit, trial.ErrNotPressed)
	defer cancel()
	pressed := make(chan trial.Press, 1)
	failed := make(chan error, 1)
	go func() {
		p, err := t.env.AwaitPress(ctx, spec, func(text string) { t.printf("Note: %s\n", cli.OneLine(text)) })
		if err != nil {
			failed <- err
			return
		}
		pressed <- p
	}()
	var enter <-chan answer // never, from a script
	if t.atTerminal() {
		enter = t.typed()
	}
	select {
	case p := <-pressed:
		return p, nil
	case err := <-failed:
		return trial.Press{}, err
	case got := <-enter:
		t.line = nil
		cancel()
		select { // the button is let go of before anything else is tried
		case <-failed:
		case <-pressed:
		}
		if got.err != nil {
			return trial.Press{}, got.err
		}
		return trial.Press{}, errSkipped
	}
}

// learnKey takes the key that is pressed next.
func (t *talk) learnKey(ctx context.Context) (string, error) {
	waiting, cancel := context.WithTimeout(ctx, pressLimit)
	defer cancel()
	t.printf("Press the key that shall be the button, within %v …\n", pressLimit)
	var key setup.Key
	err := setup.WatchKeys(waiting, t.env, func(k setup.Key) {
		key = k
		cancel()
	})
	switch {
	case ctx.Err() != nil:
		return "", cli.ErrInterrupted
	case err != nil:
		t.printf("It does not work: %s\n", inWords(err))
	case key.Device == "" && key.Name == "":
		t.printf("No key was pressed.\n")
	case key.Spec == "":
		t.printf("The kernel has no name for that key: take another.\n")
	default:
		t.printf("It works: %s of %s\n", key.Name, cli.OneLine(key.Device))
		return key.Spec, nil
	}
	return "", nil
}
