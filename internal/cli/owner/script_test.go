package owner

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"xtls-agent/internal/cli"
	"xtls-agent/internal/cli/device"
)

// The scripts run both programs as processes: this test binary stands in for each of them.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"xtlsctl":    func() { os.Exit(Main(os.Args[1:], cli.Standard())) },
		"xtls-agent": func() { os.Exit(device.Main(os.Args[1:], cli.Standard())) },
	})
}

// TestScripts is what a person sees, from the help to the exit codes.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, params(filepath.Join("testdata", "script")))
}

func params(dir string) testscript.Params {
	return testscript.Params{
		Dir: dir,
		Setup: func(env *testscript.Env) error {
			env.Setenv("XTLSCTL_DIR", filepath.Join(env.WorkDir, "ctl"))
			env.Setenv("GORACE", "atexit_sleep_ms=10") // else the race detector lets each process wait a second at its end
			env.Values[boxesKey{}] = make(map[string]*box)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code":   runForCode,
			"device": boxCommand,
			"pin":    pinCommand,
			"squat":  squat,
			"talk":   talk,
			"local":  localCommand,
		},
		RequireExplicitExec: true,
	}
}

var errorLine = regexp.MustCompile(`(?m)^xtlsctl: [^A-Z\n][^\n]*$`)

// runForCode is: code N PROGRAM [ARG…]: it must end with exit code N, and say at most one line of error.
func runForCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N PROGRAM [ARG…]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	got := 0
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
	if lines := errorLine.FindAllString(ts.ReadFile("stderr"), -1); len(lines) != 1 || strings.HasPrefix(lines[0], "xtlsctl: xtlsctl") {
		ts.Fatalf("an error must be one line on stderr")
	}
}
