// Package program builds and runs the small programs that rows measure, each in a process of its own, so that what the benchmark does
// meanwhile does not count.
package program

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Go builds a package of the module in a folder ("" for ours) and returns the program's path. env adds to the environment.
func Go(t testing.TB, dir, pkg string, env ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), filepath.Base(pkg))
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", path, pkg)
	build.Dir = dir
	build.Env = append(append(os.Environ(), "CGO_ENABLED=0"), env...)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", pkg, err, out)
	}
	return path
}

// C compiles a program of one file and returns its path. Flags may follow, such as the libraries that it wants.
func C(t testing.TB, name, source string, flags ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	args := append([]string{"-O2", "-Wall", "-Wextra", "-Werror", "-o", path, "-x", "c", "-", "-x", "none"}, flags...)
	gcc := exec.CommandContext(t.Context(), "gcc", args...)
	gcc.Stdin = strings.NewReader(source)
	if out, err := gcc.CombinedOutput(); err != nil {
		t.Fatalf("compiling %s: %v (a missing header or library: run `make peers`)\n%s", name, err, out)
	}
	return path
}

// Run runs a program and reads what it prints, a line of JSON, into v.
func Run(t testing.TB, v any, path string, args ...string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), path, args...)
	var problems bytes.Buffer
	c.Stderr = &problems
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(path), strings.Join(args, " "), err, problems.String())
	}
	if err := json.Unmarshal(out, v); err != nil {
		t.Fatalf("%s printed %q: %v", filepath.Base(path), out, err)
	}
}

// Exit runs a program that should fail, and returns its exit code and what it said.
func Exit(t testing.TB, path string, args ...string) (code int, said string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), path, args...)
	out, err := c.CombinedOutput()
	if c.ProcessState == nil {
		t.Fatalf("%s: %v", path, err)
	}
	return c.ProcessState.ExitCode(), string(out)
}
