package exec

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"xtls-agent/control"
	"xtls-agent/xmpp/form"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run runs a shell script with arguments as a command.
func run(t *testing.T, ctx context.Context, d Definition, script string, args ...string) control.Result {
	t.Helper()
	d = scripted(d, script, args...)
	return runBy(t, ctx, NewRunner(nil), d)
}

func scripted(d Definition, script string, args ...string) Definition {
	d.Name = "test"
	d.Args = append([]string{"/bin/sh", "-c", strings.NewReplacer("{", "{{", "}", "}}").Replace(script), "sh"}, args...)
	return d
}

func runBy(t *testing.T, ctx context.Context, r *Runner, d Definition) control.Result {
	t.Helper()
	c, err := r.Command(d)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Run(ctx, control.Call{})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// runFunc is [run], or the same by a helper.
type runFunc func(t *testing.T, ctx context.Context, d Definition, script string, args ...string) control.Result

// both plays a test with a child of the agent's, and with one of a helper's.
func both(t *testing.T, test func(t *testing.T, run runFunc)) {
	t.Run("child", func(t *testing.T) { test(t, run) })
	t.Run("apart", func(t *testing.T) {
		test(t, func(t *testing.T, ctx context.Context, d Definition, script string, args ...string) control.Result {
			d = scripted(d, script, args...)
			return runBy(t, ctx, NewRunnerApart(startHelper(t, d), nil), d)
		})
	})
}

func TestOutputAndExitCode(t *testing.T) {
	both(t, func(t *testing.T, run runFunc) {
		res := run(t, t.Context(), Definition{}, `echo "out $1"; echo err >&2; exit 3`, "a b")
		if res.Output != "out a b\nerr\n" || res.Exit == nil || *res.Exit != 3 || res.Failure != "test failed with exit code 3" {
			t.Errorf("%+v", res)
		}
		if res = run(t, t.Context(), Definition{}, "exit 0"); res.Failure != "" || *res.Exit != 0 {
			t.Errorf("%+v", res)
		}
		if res = run(t, t.Context(), Definition{}, "kill -9 $$"); res.Failure != "test ended by signal: killed" || res.Exit != nil {
			t.Errorf("%+v", res)
		}
	})
}

// DESIGN §5: children get a clean environment, no descriptors, and no terminal.
func TestChildIsClean(t *testing.T) {
	both(t, func(t *testing.T, run runFunc) {
		t.Setenv("XTLS_SECRET", "hunter2")
		file, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		leaky, err := syscall.Dup(int(file.Fd())) // without close-on-exec, as systemd hands them over
		if err != nil {
			t.Fatal(err)
		}
		defer syscall.Close(leaky)

		env := run(t, t.Context(), Definition{Env: map[string]string{"LAMP": "1"}}, "/usr/bin/env").Output
		for line := range strings.Lines(env) {
			name, _, _ := strings.Cut(line, "=")
			if !slices.Contains([]string{"PATH", "LANG", "LAMP", "PWD", "OLDPWD", "_", "SHLVL"}, name) {
				t.Errorf("environment holds %s", line)
			}
		}
		if !strings.Contains(env, "LAMP=1") {
			t.Errorf("environment: %s", env)
		}
		fds := run(t, t.Context(), Definition{}, `for f in /proc/$$/fd/*; do readlink $f; done; pwd; ps -o sid=,tty= -p $$; echo $$; read x || echo eof`).Output
		lines := strings.Split(strings.TrimSpace(fds), "\n")
		if strings.Contains(fds, file.Name()) || lines[0] != "/dev/null" || lines[len(lines)-1] != "eof" {
			t.Errorf("descriptors:\n%s", fds)
		}
		if n := strings.Count(fds, "pipe:"); n > 2 || len(lines) > 8 {
			t.Errorf("descriptors:\n%s", fds)
		}
		if !slices.Contains(lines, "/") {
			t.Errorf("working folder:\n%s", fds)
		}
		session := strings.Fields(lines[len(lines)-3])
		if len(session) != 2 || session[0] != lines[len(lines)-2] || session[1] != "?" {
			t.Errorf("session and terminal: %q", session)
		}
	})
}

// alive reports whether the process whose number stands in the file runs (zombies do not).
func alive(t *testing.T, file string) (pid int, running bool) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if pid, err = strconv.Atoi(strings.TrimSpace(string(data))); err != nil {
		t.Fatal(err)
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return pid, false
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return pid, !strings.HasPrefix(state, "Z") && !strings.HasPrefix(state, "X")
}

// gone waits a moment for a killed process to be so.
func gone(t *testing.T, file string) bool {
	t.Helper()
	for range 100 {
		if _, running := alive(t, file); !running {
			return true
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false
}

func TestTimeLimit(t *testing.T) {
	both(t, func(t *testing.T, run runFunc) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if res := run(t, ctx, Definition{}, `exec sleep 60`); !strings.Contains(res.Failure, "time limit") || res.Exit != nil {
			t.Errorf("%+v", res)
		}
	})
}

// cancelWhenWritten returns a context that ends when something stands in the file.
func cancelWhenWritten(t *testing.T, file string) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		defer cancel()
		for range 3000 {
			if info, err := os.Stat(file); err == nil && info.Size() > 0 {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
	t.Cleanup(wg.Wait)
	return ctx
}

// DESIGN §5: the process group ends at the time limit, grandchildren that ignore SIGTERM too.
func TestGroupEnds(t *testing.T) {
	both(t, func(t *testing.T, run runFunc) {
		file := filepath.Join(t.TempDir(), "pid")
		res := run(t, cancelWhenWritten(t, file), Definition{}, `echo before
		trap 'echo bye; exit 0' TERM
		(trap "" TERM; sh -c 'echo $$ >'$1'; exec sleep 60') &
		while :; do sleep 0.05; done`, file)
		if res.Failure != "test was ended before it finished" || !strings.HasPrefix(res.Output, "before\n") || !strings.HasSuffix(res.Output, "bye\n") {
			t.Errorf("%+v", res)
		}
		if !gone(t, file) {
			t.Error("a grandchild outlived the group")
		}
	})
}

// A program that ignores SIGTERM gets SIGKILL.
func TestKillAfterGrace(t *testing.T) {
	both(t, func(t *testing.T, run runFunc) {
		file := filepath.Join(t.TempDir(), "ready")
		start := time.Now()
		res := run(t, cancelWhenWritten(t, file), Definition{}, `trap "" TERM; echo ready >$1; while :; do sleep 0.1; done`, file)
		if took := time.Since(start); took < termGrace || took > 30*time.Second || res.Failure != "test was ended before it finished" {
			t.Errorf("%+v after %v", res, took)
		}
	})
}

// What a program leaves behind in its group is killed with it.
func TestNothingStaysBehind(t *testing.T) {
	both(t, func(t *testing.T, run runFunc) {
		file := filepath.Join(t.TempDir(), "pid")
		start := time.Now()
		res := run(t, t.Context(), Definition{}, `sh -c 'echo $$ >'$1'; exec sleep 60' & while [ ! -s $1 ]; do sleep 0.01; done; echo done`, file)
		if res.Output != "done\n" || res.Failure != "" || time.Since(start) > 30*time.Second {
			t.Errorf("%+v after %v", res, time.Since(start))
		}
		if !gone(t, file) {
			t.Error("a background process was left behind")
		}
	})
}

// setsid(2) leaves the group: such a process lives on, as the package says, but the answer
// does not wait for it although it holds the output open.
func TestEscapeBySetsidHoldsNothingUp(t *testing.T) {
	both(t, func(t *testing.T, run runFunc) {
		file := filepath.Join(t.TempDir(), "pid")
		start := time.Now()
		res := run(t, t.Context(), Definition{}, `setsid sh -c 'echo $$ >'$1'; exec sleep 60' & while [ ! -s $1 ]; do sleep 0.01; done; echo done`, file)
		if took := time.Since(start); res.Output != "done\n" || res.Failure != "" || took > 30*time.Second {
			t.Errorf("%+v after %v", res, took)
		}
		pid, running := alive(t, file)
		if !running {
			t.Error("the escape ended: then the package's doc is wrong")
		}
		_ = syscall.Kill(pid, syscall.SIGKILL)
	})
}

// DESIGN §5, unbounded anything: the output is cut and the program does not block on it.
func TestOutputIsCapped(t *testing.T) {
	both(t, func(t *testing.T, run runFunc) {
		res := run(t, t.Context(), Definition{}, `head -c 5000000 /dev/zero; printf '\377\376'; exit 0`)
		if len(res.Output) != maxOutput || !strings.Contains(res.Note, "cut after 64 KiB") || res.Failure != "" {
			t.Errorf("%d bytes, %q, %q", len(res.Output), res.Note, res.Failure)
		}
	})
}

func TestAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		me, err := user.Current()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := lookup(me.Username); err != nil {
			t.Errorf("running as ourselves: %v", err)
		}
		if _, err := lookup("root"); err == nil || !strings.Contains(err.Error(), "as root") {
			t.Errorf("running as root: %v", err)
		}
		return
	}
	who, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	got := run(t, t.Context(), Definition{User: "nobody"}, `id -u; id -g; id -G; echo $HOME $USER $LOGNAME; cat /etc/shadow 2>&1 >/dev/null | grep -c denied`).Output
	want := fmt.Sprintf("%s\n%s\n%s\n%s nobody nobody\n1\n", who.Uid, who.Gid, who.Gid, who.HomeDir)
	if got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestErrorsAreClear(t *testing.T) {
	if _, err := NewRunner(nil).Command(Definition{Name: "c", Args: []string{"/bin/true"}, User: "no-such-user"}); err == nil || !strings.Contains(err.Error(), `no user "no-such-user"`) {
		t.Errorf("%v", err)
	}
	c, err := NewRunner(nil).Command(Definition{Name: "lamp", Args: []string{"/does/not/exist"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = c.Run(t.Context(), control.Call{}); err == nil || err.Error() != "the device cannot run the program of lamp: no such file or directory" {
		t.Errorf("%v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if res, err := c.Run(ended, control.Call{}); err != nil || res.Failure == "" {
		t.Errorf("%+v, %v", res, err)
	}
}

// DESIGN §5, unbounded anything.
func TestAtMostFourAtOnce(t *testing.T) {
	r := NewRunner(nil)
	c, err := r.Command(Definition{
		Name: "c", Args: []string{"/bin/echo", "{n}"}, Fields: []Field{{Field: form.Field{Var: "n", Type: form.TextSingle}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for range maxAtOnce {
		r.slots <- struct{}{}
	}
	if _, err := c.Run(t.Context(), control.Call{}); err != errBusy {
		t.Errorf("one too many: %v", err)
	}
	<-r.slots
	res, err := c.Run(t.Context(), control.Call{Values: form.Values{"n": {"5"}}})
	if err != nil || res.Output != "5\n" || len(r.slots) != maxAtOnce-1 {
		t.Errorf("%+v, %v", res, err)
	}
}

// A program that ended in time has done so, also if this process stood still over its time limit.
func TestEndedBeforeItWasLookedAt(t *testing.T) {
	cmd := exec.Command("/bin/true")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); !hasExited(cmd.Process.Pid); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it has not ended")
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it was reaped: %v", err)
	}
	sleeping := exec.Command("/bin/sleep", "20")
	if err := sleeping.Start(); err != nil {
		t.Fatal(err)
	}
	if hasExited(sleeping.Process.Pid) {
		t.Error("it sleeps, and has ended")
	}
	_ = sleeping.Process.Kill()
	_ = sleeping.Wait()
}
