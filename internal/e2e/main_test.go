package e2e

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

// The programs under test, as TestMain has built them.
var agentProgram, ctlProgram string

func TestMain(m *testing.M) {
	flag.Parse()
	// The tests wait for other processes, and on bad lines, more than they compute.
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		_ = f.Value.Set("9") // a number is a good value
	}
	dir, err := build()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir)
		os.Exit(code)
	}))
}

// build builds both programs into a new folder, which it returns. Everybody may enter it: some tests run them as
// another user.
func build() (string, error) {
	dir, err := os.MkdirTemp("", "xtls-e2e-")
	if err != nil {
		return "", fmt.Errorf("e2e: %w", err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", fmt.Errorf("e2e: %w", err)
	}
	cmd := exec.Command("go", "build", "-race", "-o", dir, "xtls-agent/cmd/xtls-agent", "xtls-agent/cmd/xtlsctl")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("e2e: building the programs: %w\n%s", err, out)
	}
	agentProgram, ctlProgram = filepath.Join(dir, "xtls-agent"), filepath.Join(dir, "xtlsctl")
	return dir, nil
}
