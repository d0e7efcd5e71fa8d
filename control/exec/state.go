package exec

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"xtls-agent/control"
)

const (
	maxStateLine = 200     // bytes of the line that is a state
	maxTail      = 4 << 10 // bytes kept of what such a program writes: the last
)

// source returns what tells the state of a command; nil if nothing does.
func (r *Runner) source(d Definition, who identity) (*control.StateSource, error) {
	if d.State == nil {
		return nil, nil
	}
	if len(d.State) == 0 || !filepath.IsAbs(d.State[0]) {
		return nil, errors.New("state must begin with the absolute path of a program")
	}
	probe := Definition{Name: d.Name, Args: d.State, User: d.User, Dir: d.Dir, Env: d.Env}
	args, err := probe.compile()
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	argv, err := expand(args, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	read := func(ctx context.Context) (control.State, error) {
		word, err := r.probe(ctx, argv, probe, who)
		return control.State{Word: word}, err
	}
	return &control.StateSource{Read: read, Every: d.Every}, nil
}

// probe runs a program that tells a state, as soon as there is room for it.
func (r *Runner) probe(ctx context.Context, argv []string, d Definition, who identity) (string, error) {
	select {
	case r.probes <- struct{}{}:
		defer func() { <-r.probes }()
	case <-ctx.Done():
		return "", errors.New("too many programs that tell states were running")
	}
	var out, errs tail
	cmd := program(argv, d, who)
	cmd.Stdout, cmd.Stderr = &out, &errs
	killed, err := runGroup(ctx, cmd, who, termGrace)
	switch {
	case killed:
		return "", fmt.Errorf("%s did not finish in time", argv[0])
	case !ran(err):
		return "", fmt.Errorf("%s cannot be run: %w", argv[0], cause(err))
	case cmd.ProcessState.ExitCode() != 0:
		return "", failed(cmd, errs.lastLine())
	}
	return stateOf(argv[0], out.lastLine())
}

// failed says how a program failed, with the last line that it wrote about it.
func failed(cmd *exec.Cmd, said string) error {
	how := cmd.ProcessState.String() // "exit status 3", "signal: killed"
	if said != "" {
		how += ": " + said
	}
	return fmt.Errorf("%s ended with %s", cmd.Path, how)
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
func (t *tail) lastLine() string {
	text := strings.TrimSpace(string(t.data))
	return strings.TrimSpace(text[strings.LastIndexAny(text, "\r\n")+1:])
}
