package exec

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"xtls-agent/control"
)

const (
	maxStateLine = 200     // bytes of the line that is a state
	maxTail      = 4 << 10 // bytes kept of what such a program writes: the last
)

// compileState parses and checks the argument vector of what tells the state.
func (d Definition) compileState() ([]string, error) {
	if d.State == nil {
		return nil, nil
	}
	if len(d.State) == 0 || !filepath.IsAbs(d.State[0]) {
		return nil, errors.New("state must begin with the absolute path of a program")
	}
	args, err := Definition{Name: d.Name, Args: d.State}.compile()
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	argv, err := expand(args, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	return argv, nil
}

// telling is a run of what tells the state: as the command itself runs, but without fields, and with the usual time limit.
func (p program) telling() job {
	p.Timeout = 0
	return job{program: p, argv: p.state, probe: true}
}

// source returns what tells the state of a command; nil if nothing does.
func (r *Runner) source(p program) *control.StateSource {
	if p.state == nil {
		return nil
	}
	read := func(ctx context.Context) (control.State, error) {
		word, err := r.probe(ctx, p.telling())
		return control.State{Word: word}, err
	}
	return &control.StateSource{Read: read, Every: p.Every}
}

// probe runs a program that tells a state, as soon as there is room for it.
func (r *Runner) probe(ctx context.Context, j job) (string, error) {
	select {
	case r.probes <- struct{}{}:
		defer func() { <-r.probes }()
	case <-ctx.Done():
		return "", errors.New("too many programs that tell states were running")
	}
	out, err := r.run(ctx, j)
	switch {
	case err != nil:
		return "", fmt.Errorf("%s cannot be run: %w", j.argv[0], cause(err))
	case out.Killed:
		return "", fmt.Errorf("%s did not finish in time", j.argv[0])
	case out.Exit != 0:
		return "", out.failed(j.argv[0])
	}
	return stateOf(j.argv[0], lastLine(out.Output))
}

// failed says how a program failed, with the last line that it wrote about it.
func (o outcome) failed(program string) error {
	how := o.End
	if said := lastLine(o.Errors); said != "" {
		how += ": " + said
	}
	return fmt.Errorf("%s ended with %s", program, how)
}

// stateOf is a line as a state.
func stateOf(program, line string) (string, error) {
	switch {
	case line == "":
		return "", fmt.Errorf("%s printed nothing", program)
	case len(line) > maxStateLine:
		return "", fmt.Errorf("%s printed a last line of more than %d bytes", program, maxStateLine)
	}
	return line, nil
}

// tail keeps the last maxTail bytes of what is written.
type tail struct{ data []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.data = append(t.data, p[max(0, len(p)-maxTail):]...)
	if over := len(t.data) - maxTail; over > 0 {
		t.data = append(t.data[:0], t.data[over:]...)
	}
	return len(p), nil
}

// lastLine returns the last line that is not empty, without the space around it.
func lastLine(b []byte) string {
	text := strings.TrimSpace(string(b))
	return strings.TrimSpace(text[strings.LastIndexAny(text, "\r\n")+1:])
}
