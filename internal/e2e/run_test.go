package e2e

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// program is one run of a program that ends by itself.
type program struct {
	path  string
	args  []string
	env   []string
	stdin string
	wrap  []string // a program that runs it, and its arguments
	// nobody runs it as a user without rights, if the tests run as root: for root no file is unreadable.
	nobody bool
	// shows says that it shows a PIN to its user, as it must: what it prints is no log.
	shows bool
}

// result is how a program ended.
type result struct {
	w      *world
	name   string
	code   int
	stdout string
	stderr string
	took   time.Duration
}

// runLimit is what the longest honest run may take.
const runLimit = 4 * time.Minute

func (w *world) run(p program) *result {
	w.Helper()
	return w.begin(p).wait()
}

// running is a program that has not ended yet, as far as the test knows.
type running struct {
	w      *world
	name   string
	cmd    *exec.Cmd
	ctx    context.Context
	cancel context.CancelFunc
	start  time.Time
	stdout *printed
	stderr *printed
	done   chan struct{}
	err    error // valid once done is closed
}

// begin starts a program. Whoever begins one waits for it.
func (w *world) begin(p program) *running {
	w.Helper()
	name := filepath.Base(p.path) + " " + strings.Join(p.args, " ")
	r := &running{w: w, name: name, done: make(chan struct{}), stdout: new(printed), stderr: new(printed)}
	if !p.shows {
		r.stdout, r.stderr = w.newLog(name+" (stdout)"), w.newLog(name+" (stderr)")
	}
	r.ctx, r.cancel = context.WithTimeout(context.Background(), runLimit)
	line := append(append(p.wrap, p.path), p.args...)
	cmd := exec.CommandContext(r.ctx, line[0], line[1:]...)
	cmd.Env = environment(w, p.env)
	cmd.Dir = w.dir
	cmd.Stdin = strings.NewReader(p.stdin)
	cmd.Stdout, cmd.Stderr = r.stdout, r.stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = time.Second
	if p.nobody {
		demote(cmd)
	}
	r.cmd, r.start = cmd, time.Now()
	if err := cmd.Start(); err != nil {
		r.cancel()
		w.Fatalf("%s: %v", name, err)
	}
	go func() {
		r.err = cmd.Wait()
		close(r.done)
	}()
	return r
}

// wait waits until the program has ended.
func (r *running) wait() *result {
	r.w.Helper()
	<-r.done
	defer r.cancel()
	var exit *exec.ExitError
	if r.err != nil && (r.ctx.Err() != nil || !errors.As(r.err, &exit)) {
		r.w.Fatalf("%s: %v after %v\n%s%s", r.name, r.err, time.Since(r.start), r.stdout, r.stderr)
	}
	return &result{
		w: r.w, name: r.name, code: r.cmd.ProcessState.ExitCode(), took: time.Since(r.start),
		stdout: r.stdout.String(), stderr: r.stderr.String(),
	}
}

// environment is a small one: nothing of the person who runs the tests gets into the programs.
func environment(w *world, more []string) []string {
	return append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.dir, "LANG=C.UTF-8", "GORACE=halt_on_error=1"}, more...)
}

// nobodyID is Debian's user and group for who has no rights.
const nobodyID = 65534

// demote takes root's rights from a program. Without root there is nothing to take.
func demote(cmd *exec.Cmd) {
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobodyID, Gid: nobodyID}
	}
}

// want checks the exit code, and that every text is said: on standard output if the code is 0, else in one line on
// standard error, the last.
func (r *result) want(code int, texts ...string) *result {
	r.w.Helper()
	said := r.stdout
	if code != 0 {
		lines := strings.Split(strings.TrimRight(r.stderr, "\n"), "\n")
		said = lines[len(lines)-1]
	}
	if r.code != code {
		r.w.Fatalf("%s: exit code %d, want %d\n%s%s", r.name, r.code, code, r.stdout, r.stderr)
	}
	for _, text := range texts {
		if !strings.Contains(said, text) {
			r.w.Errorf("%s: does not say %q:\n%s", r.name, text, said)
		}
	}
	return r
}
