package testpeer

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// compile builds a C program, or with -shared a library, of ours and returns its path. What was built stays in the
// user's cache under a name made of source and flags, so that one run, and later ones, compile it once.
func compile(t testing.TB, name, source string, flags ...string) string {
	t.Helper()
	sum := sha256.Sum256([]byte(source + "\x00" + strings.Join(flags, "\x00")))
	dir := cacheDir(t)
	path := filepath.Join(dir, fmt.Sprintf("%s-%x", name, sum[:8]))
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Fatalf("testpeer: gcc is not installed: run `make peers`")
	}

	// Several test binaries may be here at once: each builds a file of its own, and the last rename stays.
	work, err := os.MkdirTemp(dir, name+"-build-")
	if err != nil {
		t.Fatalf("testpeer: compiling %s: %v", name, err)
	}
	defer os.RemoveAll(work)
	built := filepath.Join(work, name)
	args := append([]string{"-O2", "-Wall", "-Wextra", "-Werror", "-o", built, "-x", "c", "-", "-x", "none"}, flags...)
	gcc := exec.Command("gcc", args...)
	gcc.Stdin = strings.NewReader(source)
	if out, err := gcc.CombinedOutput(); err != nil {
		t.Fatalf("testpeer: compiling %s: %v (a missing header or library: run `make peers`)\n%s", name, err, out)
	}
	if err := os.Rename(built, path); err != nil {
		t.Fatalf("testpeer: compiling %s: %v", name, err)
	}
	return path
}

func cacheDir(t testing.TB) string {
	t.Helper()
	base, err := os.UserCacheDir()
	if err != nil { // no home folder
		return t.TempDir()
	}
	dir := filepath.Join(base, "xtls-agent-testpeer")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return t.TempDir()
	}
	return dir
}
