package deps

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// entry is a line of docs/dependencies.md: the module, and the sentence of reason.
var entry = regexp.MustCompile("(?m)^- `([^`]+)`: (.+)$")

// requirement is what go.mod says of a module.
type requirement struct {
	Path     string
	Indirect bool
}

func requirements(t *testing.T) []requirement {
	t.Helper()
	c := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json")
	c.Dir = root
	out, err := c.Output()
	if err != nil {
		t.Fatalf("go mod edit -json: %v", err)
	}
	var file struct{ Require []requirement }
	if err := json.Unmarshal(out, &file); err != nil {
		t.Fatal(err)
	}
	return file.Require
}

// moduleOf returns the module that a package belongs to, or "" for the standard library and ourselves.
func moduleOf(path string, all []requirement) string {
	best := ""
	for _, r := range all {
		if (path == r.Path || strings.HasPrefix(path, r.Path+"/")) && len(r.Path) > len(best) {
			best = r.Path
		}
	}
	return best
}

// used returns the modules that a package or a test of ours imports, on any platform.
func used(t *testing.T, all []requirement) map[string]bool {
	t.Helper()
	out := make(map[string]bool)
	for _, on := range platforms {
		for _, p := range packages(t, on.os, on.arch) {
			for _, path := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
				if m := moduleOf(path, all); m != "" {
					out[m] = true
				}
			}
		}
	}
	return out
}

// Every module that is imported has its sentence of reason in docs/dependencies.md, and every sentence its module.
func TestEveryModuleHasItsReason(t *testing.T) {
	text, err := os.ReadFile(root + "/docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	reasons := make(map[string]string)
	for _, m := range entry.FindAllStringSubmatch(string(text), -1) {
		if reasons[m[1]] != "" {
			t.Errorf("docs/dependencies.md has %s twice", m[1])
		}
		if len(strings.Fields(m[2])) < 4 || !strings.HasSuffix(m[2], ".") {
			t.Errorf("docs/dependencies.md: %q is no reason for %s", m[2], m[1])
		}
		reasons[m[1]] = m[2]
	}
	all := requirements(t)
	imported := used(t, all)
	for m := range imported {
		if reasons[m] == "" {
			t.Errorf("%s is imported and has no reason in docs/dependencies.md", m)
		}
	}
	for m := range reasons {
		if !imported[m] {
			t.Errorf("docs/dependencies.md gives a reason for %s, which nothing imports", m)
		}
	}
	for _, r := range all {
		if !r.Indirect && !imported[r.Path] {
			t.Errorf("go.mod requires %s, which nothing imports: run go mod tidy", r.Path)
		}
	}
}
