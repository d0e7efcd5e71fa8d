package owner

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"xtls-agent/internal/cli"
	"xtls-agent/internal/cli/clitest"
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
			"code":   clitest.Code,
			"device": boxCommand,
			"pin":    pinCommand,
			"squat":  squat,
			"talk":   clitest.Talk,
			"types":  typesCommand,
			"local":  localCommand,
		},
		RequireExplicitExec: true,
	}
}
