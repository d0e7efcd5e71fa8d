package exec

import (
	"bytes"
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
	"xtls-agent/xmpp/form"
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
	probes chan struct{}                               // slots of their own: what a device asks itself keeps no owner waiting
	run    func(context.Context, job) (outcome, error) // an error means that it did not start
	finds  func(user string) (identity, error)         // whom to run it as
}

// NewRunner returns a runner whose programs are children of this process. A nil logger means silence; it is
// told which program ran, and never its arguments.
func NewRunner(log *slog.Logger) *Runner {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Runner{log: log, slots: make(chan struct{}, maxAtOnce), probes: make(chan struct{}, maxAtOnce), run: asChild, finds: lookup}
}

// program is a definition that could run.
type program struct {
	Definition
	args  []argument
	state []string // the argument vector of what tells the state; nil: nothing does
	who   identity
}

// job is one run of a program.
type job struct {
	program
	argv   []string
	values form.Values // what argv was made from
	probe  bool        // it tells the state
}

// compile checks a definition. It fails on one that could not run safely or at all, such as one with an unknown user.
func (r *Runner) compile(d Definition) (program, error) {
	args, err := d.compile()
	if err != nil {
		return program{}, fmt.Errorf("exec: command %q: %w", d.Name, err)
	}
	state, err := d.compileState()
	if err != nil {
		return program{}, fmt.Errorf("exec: command %q: %w", d.Name, err)
	}
	who, err := r.finds(d.User)
	if err != nil {
		return program{}, fmt.Errorf("exec: command %q: %w", d.Name, err)
	}
	return program{Definition: d, args: args, state: state, who: who}, nil
}

// Check reports what [Runner.Command] would refuse, whichever runner that is: whether this process may run it is another question.
func (d Definition) Check() error {
	r := Runner{finds: exists}
	_, err := r.compile(d)
	return err
}

// Command compiles a definition. It fails on one that could not run safely or at all, such as one
// with an unknown user. Whether the program is there shows when it runs.
func (r *Runner) Command(d Definition) (control.Command, error) {
	p, err := r.compile(d)
	if err != nil {
		return control.Command{}, err
	}
	c := control.Command{Name: d.Name, Title: d.Title, Timeout: d.Timeout, Fields: d.form().Fields, State: r.source(p)}
	c.Run = func(ctx context.Context, call control.Call) (control.Result, error) {
		argv, err := expand(p.args, call.Values, d.Fields)
		if err != nil {
			return control.Result{}, err
		}
		return r.oneOfFew(ctx, job{program: p, argv: argv, values: call.Values})
	}
	return c, nil
}

// form is what is asked.
func (d Definition) form() *form.Form {
	f := form.New(d.Title)
	for _, field := range d.Fields {
		f.Fields = append(f.Fields, field.Field)
	}
	return f
}

// errBusy is what an owner reads when all slots are taken.
var errBusy = errors.New("too many programs are running: try again later")

func (r *Runner) oneOfFew(ctx context.Context, j job) (control.Result, error) {
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	default:
		return control.Result{}, errBusy
	}
	out, err := r.run(ctx, j)
	if err != nil {
		r.log.Warn("program did not start", "command", j.Name, "err", err)
		return control.Result{}, fmt.Errorf("the device cannot run the program of %s: %w", j.Name, cause(err))
	}
	return out.describe(ctx, j.Name), nil
}

// asChild runs the program as a child of this process.
func asChild(ctx context.Context, j job) (outcome, error) {
	var out capture
	var last, errs tail
	cmd := &exec.Cmd{Path: j.argv[0], Args: j.argv, Dir: j.Dir, Env: environment(j.Env, j.who), WaitDelay: pipeGrace}
	if cmd.Dir == "" {
		cmd.Dir = "/"
	}
	if cmd.Stdout, cmd.Stderr = &out, &out; j.probe {
		cmd.Stdout, cmd.Stderr = &last, &errs
	}
	killed, err := runGroup(ctx, cmd, j.who, termGrace)
	var exit *exec.ExitError
	if err != nil && !killed && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
		return outcome{}, err
	}
	res := outcome{Output: out.bytes(), Cut: out.cut(), Killed: killed, Exit: cmd.ProcessState.ExitCode(), End: cmd.ProcessState.String()}
	if j.probe {
		res.Output, res.Errors = last.data, errs.data
	}
	return res, nil
}

// outcome is what came of a run, before it is put in words.
type outcome struct {
	Output []byte // of one that tells a state, the end of its standard output
	Errors []byte `json:",omitempty"` // and the end of its standard error; else nil
	Cut    bool   // whether the program wrote more
	Killed bool   // whether it was ended
	Exit   int    // its exit code; negative if a signal ended it
	End    string // how it ended: "exit status 3", "signal: killed"
}

// describe puts it in words. ctx is the run's.
func (o outcome) describe(ctx context.Context, name string) control.Result {
	res := control.Result{Output: string(o.Output)}
	switch {
	case o.Killed && errors.Is(ctx.Err(), context.DeadlineExceeded):
		res.Failure = name + " was ended: it did not finish within its time limit"
	case o.Killed:
		res.Failure = name + " was ended before it finished"
	case o.Exit < 0:
		res.Failure = name + " ended by " + o.End
	case o.Exit > 0:
		res.Exit, res.Failure = &o.Exit, fmt.Sprintf("%s failed with exit code %d", name, o.Exit)
	default:
		res.Exit = &o.Exit
	}
	if o.Cut {
		res.Note = fmt.Sprintf("the output was cut after %d KiB", maxOutput>>10)
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

func (c *capture) bytes() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Clone(c.data)
}

func (c *capture) cut() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dropped
}
