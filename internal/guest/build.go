package guest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Build builds a program of the module for a machine, as it is shipped, and returns its bytes. Tags may be empty.
func (m Machine) Build(ctx context.Context, pkg, tags string) ([]byte, error) {
	return m.goTool(ctx, "build", "-tags", tags, pkg)
}

// BuildTest builds the tests of a package that need a kernel, those with the tag guest, as a program.
func (m Machine) BuildTest(ctx context.Context, pkg string) ([]byte, error) {
	return m.goTool(ctx, "test", "-c", "-tags", "guest", pkg)
}

// goTool builds with the flags of `make`, so that what either has compiled serves both.
func (m Machine) goTool(ctx context.Context, args ...string) ([]byte, error) {
	root, err := house(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "guest-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "program")
	last := len(args) - 1
	args = append(append([]string{}, args[:last]...), "-trimpath", "-ldflags=-s", "-o", program, args[last])
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = root
	cmd.Env = append(append(os.Environ(), "GOOS=linux", "CGO_ENABLED=0"), m.Go...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("guest: building %s for the %s: %w\n%s", args[len(args)-1], m.Name, err, out)
	}
	return os.ReadFile(program)
}
