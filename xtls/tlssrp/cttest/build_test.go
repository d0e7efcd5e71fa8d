package main

import (
	"cmp"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// root is where the module is, seen from this folder.
const root = "../../.."

// An edit makes another version of a file of the module: one that a test must be able to tell from the real one.
type edit struct {
	file     string // from the root
	old, new string // old must be there; with no old, new is the whole file
}

// build builds this package's program for a platform, with some files replaced, and returns its path.
func build(t *testing.T, goarch, tags string, edits ...edit) string {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "cttest")
	c := exec.CommandContext(t.Context(), "go", "build", "-tags", tags, "-overlay", overlay(t, dir, edits), "-o", program, ".")
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+goarch, "GOARM=6", "GOFLAGS=")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("building for %s with %d edits: %v\n%s", goarch, len(edits), err, out)
	}
	return program
}

// overlay writes the edited files, and the list of them that `go build -overlay` takes.
func overlay(t *testing.T, dir string, edits []edit) string {
	t.Helper()
	replace := outerOverlay(t)
	for _, e := range edits {
		original, err := filepath.Abs(filepath.Join(root, e.file))
		if err != nil {
			t.Fatal(err)
		}
		text := e.new
		if e.old != "" {
			text = edited(t, cmp.Or(replace[original], original), e)
		}
		replace[original] = filepath.Join(dir, strings.ReplaceAll(e.file, "/", "-"))
		write(t, replace[original], []byte(text))
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "overlay.json")
	write(t, path, list)
	return path
}

// outerOverlay is what the whole test run has replaced by GOFLAGS=-overlay=FILE, as `make mutants` does: its programs are built with that, too.
func outerOverlay(t *testing.T) map[string]string {
	t.Helper()
	all := struct{ Replace map[string]string }{make(map[string]string)}
	for _, flag := range strings.Fields(os.Getenv("GOFLAGS")) {
		if path, found := strings.CutPrefix(flag, "-overlay="); found {
			if err := json.Unmarshal([]byte(read(t, path)), &all); err != nil {
				t.Fatalf("%s: %v", path, err)
			}
		}
	}
	return all.Replace
}

func edited(t *testing.T, path string, e edit) string {
	t.Helper()
	text := read(t, path)
	if n := strings.Count(text, e.old); n != 1 {
		t.Fatalf("%s has %q %d times, not once: this test must follow it", e.file, e.old, n)
	}
	return strings.Replace(text, e.old, e.new, 1)
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// withMathBig is the version that must be told from ours: package modexp on math/big, and nothing else in its folder.
func withMathBig(t *testing.T) []edit {
	t.Helper()
	const modexp = "xtls/tlssrp/internal/modexp/"
	files, err := os.ReadDir(filepath.Join(root, modexp))
	if err != nil {
		t.Fatal(err)
	}
	edits := []edit{{file: modexp + "modexp.go", new: read(t, "testdata/mathbig.go")}}
	for _, f := range files {
		switch name := f.Name(); {
		case name == "modexp.go", strings.HasSuffix(name, "_test.go"):
		case strings.HasSuffix(name, ".go"):
			edits = append(edits, edit{file: modexp + name, new: "package modexp\n"})
		case strings.HasSuffix(name, ".s"):
			edits = append(edits, edit{file: modexp + name, new: "// nothing\n"})
		}
	}
	return edits
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
