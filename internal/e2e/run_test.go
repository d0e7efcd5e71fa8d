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
	// nobody runs it as a user without rights, if the tests run as root: for root no file is unreadable.
	nobody bool
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
	ctx, cancel := context.WithTimeout(context.Background(), runLimit)
	defer cancel()
	name := filepath.Base(p.path) + " " + strings.Join(p.args, " ")
	cmd := exec.CommandContext(ctx, p.path, p.args...)
	cmd.Env = environment(w, p.env)
	cmd.Dir = w.dir
	cmd.Stdin = strings.NewReader(p.stdin)
	stdout, stderr := w.newLog(name+" (stdout)"), w.newLog(name+" (stderr)")
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = time.Second
	if p.nobody {
		demote(cmd)
	}
	start := time.Now()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && (ctx.Err() != nil || !errors.As(err, &exit)) {
		w.Fatalf("%s: %v after %v\n%s%s", name, err, time.Since(start), stdout, stderr)
	}
	return &result{
		w: w, name: name, code: cmd.ProcessState.ExitCode(), took: time.Since(start),
		stdout: stdout.String(), stderr: stderr.String(),
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
