package deps

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// module is the module's path, with which the imports of its packages begin.
const module = "xtls-agent"

// root is where the module lies, seen from here.
const root = "../.."

// platforms are those that something of the module is built for.
var platforms = []struct{ os, arch string }{{"linux", "amd64"}, {"linux", "arm"}, {"darwin", "arm64"}, {"windows", "amd64"}, {"js", "wasm"}}

// pkg is what `go list -json` tells of a package.
type pkg struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

// name is the path within the module.
func (p pkg) name() string { return within(p.ImportPath) }

// within returns the path of a package within the module; of others it returns "".
func within(path string) string {
	rest, ok := strings.CutPrefix(path, module+"/")
	if !ok {
		return ""
	}
	return rest
}

func goList(t *testing.T, goos, goarch string, args ...string) []byte {
	t.Helper()
	c := exec.CommandContext(t.Context(), "go", append([]string{"list"}, args...)...)
	c.Dir = root
	c.Env = append(os.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0")
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("go list %s for %s/%s: %v\n%s", strings.Join(args, " "), goos, goarch, err, &stderr)
	}
	return out
}

// packages returns every package of the module as it is on a platform.
func packages(t *testing.T, goos, goarch string) []pkg {
	t.Helper()
	out := goList(t, goos, goarch, "-e", "-json=ImportPath,Imports,TestImports,XTestImports", "./...")
	var list []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

func level(name string) int {
	return slices.IndexFunc(house, func(f floor) bool { return f.pkg == name })
}

func matches(pattern, name string) bool {
	if tree, ok := strings.CutSuffix(pattern, "/..."); ok {
		return name == tree || strings.HasPrefix(name, tree+"/")
	}
	return name == pattern
}

func isForTests(name string) bool { return slices.Contains(forTests, name) }

// complaint says what is wrong with an import of package from, or "".
func complaint(from, imported string, inTest bool) string {
	at, to := level(from), level(imported)
	switch {
	case at < 0:
		return from + " has no line in the house: say there what it may import"
	case to < 0:
		return from + " imports " + imported + ", which has no line in the house"
	case inTest && (from == imported || isForTests(imported) || to > at):
		return ""
	case inTest:
		return "a test of " + from + " imports " + imported + ", which stands above it"
	case isForTests(imported) && !isForTests(from):
		return from + " imports " + imported + ", which is for tests"
	case !slices.ContainsFunc(house[at].may, func(p string) bool { return matches(p, imported) }):
		return from + " may not import " + imported
	case to < at:
		return from + " imports " + imported + ", which stands above it"
	}
	return ""
}

func TestImportsGoDownward(t *testing.T) {
	seen := make(map[string]bool)
	for _, on := range platforms {
		for _, p := range packages(t, on.os, on.arch) {
			seen[p.name()] = true
			check := func(imports []string, inTest bool) {
				for _, path := range imports {
					imported := within(path)
					if imported == "" {
						continue
					}
					if c := complaint(p.name(), imported, inTest); c != "" {
						t.Errorf("on %s/%s: %s", on.os, on.arch, c)
					}
				}
			}
			if level(p.name()) < 0 && len(p.Imports)+len(p.TestImports)+len(p.XTestImports) > 0 {
				t.Errorf("%s has no line in the house: say there what it may import", p.name())
			}
			check(p.Imports, false)
			check(p.TestImports, true)
			check(p.XTestImports, true)
		}
	}
	for _, f := range house {
		if !seen[f.pkg] {
			t.Errorf("the house has a line for %s, which does not exist", f.pkg)
		}
	}
}

// The rules themselves: each of these imports would be wrong, or right.
func TestComplaints(t *testing.T) {
	for _, c := range []struct {
		from, imported string
		inTest, ok     bool
	}{
		{"xmpp", "xmpp/stream", false, false},
		{"owner", "hw/display", false, false},
		{"client", "agent", false, false},
		{"client", "hw/button", false, false},
		{"xtls", "trust", false, false},
		{"xtls", "trust", true, true},
		{"xtls", "pairing", true, false},
		{"agent", "xmpp/linktest", false, false},
		{"agent", "xmpp/linktest", true, true},
		{"agent", "owner", false, false},
		{"agent", "owner", true, true},
		{"agent", "hw/display", false, true},
		{"nowhere", "xmpp", false, false},
		{"agent", "nowhere", false, false},
		{"xmpp/internal/peerlink", "internal/testpeer", false, true},
	} {
		if got := complaint(c.from, c.imported, c.inTest); (got == "") != c.ok {
			t.Errorf("%s imports %s (in a test: %v): %q", c.from, c.imported, c.inTest, got)
		}
	}
}

// Only agent, and what lies beneath it, may import hw.
func TestOnlyTheAgentKnowsHardware(t *testing.T) {
	for _, f := range house {
		for _, p := range f.may {
			if f.pkg != "agent" && !strings.HasPrefix(f.pkg, "agent/") && !strings.HasPrefix(f.pkg, "hw/") && strings.HasPrefix(p, "hw/") {
				t.Errorf("the house lets %s import %s", f.pkg, p)
			}
		}
	}
}

// links returns the packages of the module that a program is linked of, on a platform.
func links(t *testing.T, goos, goarch, program string) []string {
	t.Helper()
	var list []string
	for _, path := range strings.Fields(string(goList(t, goos, goarch, "-deps", program))) {
		if name := within(path); name != "" {
			list = append(list, name)
		}
	}
	return list
}

// What an owner runs knows nothing of devices, on any platform; and no program holds what is for tests.
func TestProgramsLinkOnlyTheirSide(t *testing.T) {
	for _, on := range platforms {
		programs := []string{"./cmd/xtlsctl"}
		switch on.os {
		case "js":
			programs = []string{"./owner/wasm"}
		case "linux":
			programs = append(programs, "./cmd/xtls-agent")
		}
		for _, program := range programs {
			linked := links(t, on.os, on.arch, program)
			if len(linked) < 5 {
				t.Errorf("%s is linked of %v only: the test looks at the wrong thing", program, linked)
			}
			for _, name := range linked {
				device := name == "agent" || strings.HasPrefix(name, "hw/")
				if device && program != "./cmd/xtls-agent" || isForTests(name) {
					t.Errorf("%s on %s/%s links %s", program, on.os, on.arch, name)
				}
			}
		}
	}
}

// The owner's library opens no files and no sockets by itself, so that it runs in a browser.
func TestOwnerLeavesTheMachineAlone(t *testing.T) {
	for _, p := range packages(t, "js", "wasm") {
		if p.name() != "owner" {
			continue
		}
		for _, path := range p.Imports {
			if slices.Contains([]string{"os", "os/exec", "path/filepath", "net", "net/http"}, path) {
				t.Errorf("owner imports %s", path)
			}
		}
		return
	}
	t.Error("owner is not built for js/wasm")
}

func TestMainsAreShort(t *testing.T) {
	files, err := filepath.Glob(root + "/cmd/*/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if lines := bytes.Count(text, []byte("\n")); filepath.Base(file) != "main.go" || lines > 40 {
			t.Errorf("%s has %d lines; a program is one main.go of at most 40 lines", file, lines)
		}
	}
}
