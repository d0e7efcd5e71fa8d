package exec

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"slices"
	"sync"
	"time"

	"xtls-agent/control"
)

// Limits of a run.
const (
	maxOutput = 64 << 10        // bytes kept of what a program writes
	termGrace = 2 * time.Second // from SIGTERM to SIGKILL
	pipeGrace = time.Second     // for output, once the group has ended
	maxAtOnce = 4
)

// defaultPath is the PATH of every program.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Runner runs the programs of any number of definitions, at most four at once, and as many that tell states.
type Runner struct {
	log    *slog.Logger
	slots  chan struct{}
	probes chan struct{} // slots of their own: what a device asks itself keeps no owner waiting
}

// NewRunner returns a runner. A nil logger means silence; it is told which program ran,
// and never its arguments.
func NewRunner(log *slog.Logger) *Runner {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Runner{log: log, slots: make(chan struct{}, maxAtOnce), probes: make(chan struct{}, maxAtOnce)}
}

// Command compiles a definition. It fails on one that could not run safely or at all, such as one
// with an unknown user. Whether the program is there shows when it runs.
func (r *Runner) Command(d Definition) (control.Command, error) {
	args, err := d.compile()
	if err != nil {
		return control.Command{}, fmt.Errorf("exec: command %q: %w", d.Name, err)
	}
	who, err := lookup(d.User)
	if err != nil {
		return control.Command{}, fmt.Errorf("exec: command %q: %w", d.Name, err)
	}
	state, err := r.source(d, who)
	if err != nil {
		return control.Command{}, fmt.Errorf("exec: command %q: %w", d.Name, err)
	}
	c := control.Command{Name: d.Name, Title: d.Title, Timeout: d.Timeout, State: state}
	for _, f := range d.Fields {
		c.Fields = append(c.Fields, f.Field)
	}
	c.Run = func(ctx context.Context, call control.Call) (control.Result, error) {
		argv, err := expand(args, call.Values, d.Fields)
		if err != nil {
			return control.Result{}, err
		}
		return r.run(ctx, argv, d, who)
	}
	return c, nil
}

// errBusy is what an owner reads when all slots are taken.
var errBusy = errors.New("too many programs are running: try again later")

func (r *Runner) run(ctx context.Context, argv []string, d Definition, who identity) (control.Result, error) {
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	default:
		return control.Result{}, errBusy
	}
	var out capture
	cmd := program(argv, d, who)
	cmd.Stdout, cmd.Stderr = &out, &out
	killed, err := runGroup(ctx, cmd, who, termGrace)
	if !killed && !ran(err) {
		r.log.Warn("program did not start", "command", d.Name, "err", err)
		return control.Result{}, fmt.Errorf("the device cannot run the program of %s: %w", d.Name, cause(err))
	}
	res := describe(ctx, cmd.ProcessState, killed, d)
	if res.Output, res.Note = out.text(), ""; out.cut() {
		res.Note = fmt.Sprintf("the output was cut after %d KiB", maxOutput>>10)
	}
	return res, nil
}

// program is a process that has not started yet, with all that it gets from us but its output.
func program(argv []string, d Definition, who identity) *exec.Cmd {
	cmd := &exec.Cmd{Path: argv[0], Args: argv, Dir: d.Dir, Env: environment(d.Env, who), WaitDelay: pipeGrace}
	if cmd.Dir == "" {
		cmd.Dir = "/"
	}
	return cmd
}

// ran reports whether err is one of a program that has run.
func ran(err error) bool {
	var exit *exec.ExitError
	return err == nil || errors.As(err, &exit) || errors.Is(err, exec.ErrWaitDelay)
}

// describe says how a program ended.
func describe(ctx context.Context, state *os.ProcessState, killed bool, d Definition) control.Result {
	var res control.Result
	code := state.ExitCode()
	switch {
	case killed && errors.Is(ctx.Err(), context.DeadlineExceeded):
		res.Failure = d.Name + " was ended: it did not finish within its time limit"
	case killed:
		res.Failure = d.Name + " was ended before it finished"
	case code < 0:
		res.Failure = d.Name + " ended by " + state.String() // "signal: killed"
	case code > 0:
		res.Exit, res.Failure = &code, fmt.Sprintf("%s failed with exit code %d", d.Name, code)
	default:
		res.Exit = &code
	}
	return res
}

// cause drops the paths that os.PathError and exec.Error repeat.
func cause(err error) error {
	var pathError *os.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}

// environment is all that a program gets.
func environment(extra map[string]string, who identity) []string {
	env := map[string]string{"PATH": defaultPath, "LANG": "C.UTF-8"}
	if who.name != "" {
		env["HOME"], env["USER"], env["LOGNAME"] = who.home, who.name, who.name
	}
	maps.Copy(env, extra)
	out := make([]string, 0, len(env))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		out = append(out, name+"="+env[name])
	}
	return out
}

// identity is whom a program runs as. The zero identity is the agent's own user.
type identity struct {
	name, home string
	change     bool // whether it is another user than the agent's own
	uid, gid   uint32
	groups     []uint32
}

// capture keeps the first maxOutput bytes and swallows the rest, so that a program
// never blocks on its output.
type capture struct {
	mu      sync.Mutex // guards all below
	data    []byte
	dropped bool
}

func (c *capture) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	room := maxOutput - len(c.data)
	if len(p) > room {
		c.dropped = true
	}
	c.data = append(c.data, p[:min(room, len(p))]...)
	return len(p), nil
}

func (c *capture) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.data)
}

func (c *capture) cut() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dropped
}
