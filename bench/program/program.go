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

// Build says how a Go program is built, where it is not as usual.
type Build struct {
	Dir   string   // of the module; ours if empty
	To    string   // where the program goes; a folder of its own if empty
	Env   []string // added to the environment
	Flags []string // of go build
}

// ARMv6 is the environment in which a program for the oldest Raspberry Pi is built.
var ARMv6 = []string{"GOOS=linux", "GOARCH=arm", "GOARM=6"}

// Go builds a package, static, and returns the program's path.
func Go(t testing.TB, pkg string, b Build) string {
	t.Helper()
	if b.To == "" {
		b.To = filepath.Join(t.TempDir(), filepath.Base(pkg))
	}
	args := append([]string{"build", "-trimpath", "-o", b.To}, b.Flags...)
	build := exec.CommandContext(t.Context(), "go", append(args, pkg)...)
	build.Dir = b.Dir
	build.Env = append(append(os.Environ(), "CGO_ENABLED=0"), b.Env...)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", pkg, err, out)
	}
	return b.To
}

// Agent returns the folder of xtls-agent's own module, whose programs are built with the modules that it requires itself.
func Agent(t testing.TB) string {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "xtls-agent").Output()
	if err != nil {
		t.Fatalf("looking for the module xtls-agent: %v", err)
	}
	return strings.TrimSpace(string(dir))
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
