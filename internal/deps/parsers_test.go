package deps

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// parserName is how functions are called here that make something of what came from outside; parserInput is what it comes as.
var (
	parserName  = regexp.MustCompile(`^(?i:parse|unmarshal|decode|read|load|sniff|scan|check|unpack|unescape|incoming|reencoded)([A-Z0-9]|$)`)
	parserInput = regexp.MustCompile(`^(\[\]byte|\.{0,3}(\[\])?string|io\.Reader|\*bufio\.Reader|net\.Conn|cryptobyte\.String|\*?(xmpp\.)?(Element|Stanza)|\*?xmpp\.Request|\*folder|(trust\.)?Store)$`)
)

// notFuzzed are the functions with such a name and parameter that no fuzz target of their package reaches, with the reason.
var notFuzzed = map[string]string{
	"agent/setup.CheckButton":        "calls button.Check, which is fuzzed there",
	"agent/setup.CheckDisplay":       "calls display.Check, which is fuzzed there",
	"agent.LoadConfig":               "opens a file and hands what is in it to ParseConfig, which is fuzzed",
	"agent.loadForHelper":            "calls LoadConfig",
	"internal/cli/device.loadConfig": "calls agent.LoadConfig",
	"internal/cli/device.readLines":  "hands the lines of a terminal on, by bufio.Scanner",
	"internal/cli/owner.parsePIN":    "calls pairing.ParsePIN, which is fuzzed there",
	"internal/cli.ReadLine":          "runs limitedLine, which is fuzzed, on a goroutine",
	"internal/cli.ReadPassword":      "is golang.org/x/term's reading of a terminal",
	"client.checkFree":               "compares a name that checkName has taken",
	"internal/mutants.parse":         "reads a list that is in the repository, for a tool of its developers",
	"internal/mutants.read":          "likewise",
	"internal/mutants.readList":      "likewise",
	"owner.ParsePIN":                 "calls pairing.ParsePIN, which is fuzzed there",
	"owner.ParseURI":                 "calls pairing.ParseURI, which is fuzzed there",
	"owner/wasm.Read":                "is a Store on localStorage, for js alone; what it returns is parsed in trust",
	"xtls/jingle/ibb.readLocked":     "hands out what has arrived; FuzzStream reads by it",
	"hw/internal/spec.Check":         "is generic; FuzzSpec of hw/display, hw/button and hw/output run it with their drivers",
	"hw/internal/spec.parse":         "likewise",
}

// sources are the Go files of one folder: functions by name, and which names each mentions.
type sources struct {
	parsers  map[string]bool
	mentions map[string][]string // of a function, or of several of one name
	targets  []string
}

// readSources parses a folder's files.
func readSources(t *testing.T, dir string) sources {
	t.Helper()
	s := sources{parsers: map[string]bool{}, mentions: map[string][]string{}}
	files, err := filepath.Glob(dir + "/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok {
				s.add(fn, strings.HasSuffix(file, "_test.go"))
			}
		}
	}
	return s
}

func (s *sources) add(fn *ast.FuncDecl, inTest bool) {
	name := fn.Name.Name
	ast.Inspect(fn, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			s.mentions[name] = append(s.mentions[name], id.Name)
		}
		return true
	})
	switch {
	case inTest && strings.HasPrefix(name, "Fuzz"):
		s.targets = append(s.targets, name)
	case !inTest && parserName.MatchString(name) && takesInput(fn) && !isReader(fn):
		s.parsers[name] = true
	}
}

// takesInput reports whether one of the parameters is what bytes from outside come as.
func takesInput(fn *ast.FuncDecl) bool {
	return slices.ContainsFunc(fn.Type.Params.List, func(p *ast.Field) bool { return parserInput.MatchString(typeText(p.Type)) })
}

// isReader reports whether a method is that of io.Reader, which parses nothing.
func isReader(fn *ast.FuncDecl) bool {
	return fn.Recv != nil && fn.Name.Name == "Read" && fn.Type.Results.NumFields() == 2 && typeText(fn.Type.Params.List[0].Type) == "[]byte"
}

// typeText is a type as it stands in the source, as far as parserInput asks.
func typeText(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.StarExpr:
		return "*" + typeText(e.X)
	case *ast.SelectorExpr:
		return typeText(e.X) + "." + e.Sel.Name
	case *ast.ArrayType:
		if e.Len == nil {
			return "[]" + typeText(e.Elt)
		}
	case *ast.Ellipsis:
		return "..." + typeText(e.Elt)
	}
	return "?"
}

// reached returns the names that the fuzz targets mention, and so on within the folder: by name alone, so a function counts as reached when
// another of its name is.
func (s *sources) reached() map[string]bool {
	seen := map[string]bool{}
	for left := slices.Clone(s.targets); len(left) > 0; left = left[1:] {
		if !seen[left[0]] {
			seen[left[0]] = true
			left = append(left, s.mentions[left[0]]...)
		}
	}
	return seen
}

// folders returns every folder with Go files that a program is made of.
func folders(t *testing.T) []string {
	t.Helper()
	seen := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		// bench is a module of its own, which reads what it has started itself.
		if err == nil && d.IsDir() && (d.Name() == "bench" || d.Name() == "testdata" || d.Name() == "bin" || strings.HasPrefix(d.Name(), ".") && d.Name() != "..") {
			return fs.SkipDir
		}
		if strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			name, _ := filepath.Rel(root, filepath.Dir(path))
			seen[filepath.ToSlash(name)] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(seen))
}

// Every parser of network bytes, of files and of typed input has a fuzz target of its package that reaches it, or a reason why not.
func TestParsersAreFuzzed(t *testing.T) {
	used := map[string]bool{}
	parsers, targets := 0, 0
	for _, dir := range folders(t) {
		if isForTests(dir) || strings.HasPrefix(dir, "docs") {
			continue
		}
		s := readSources(t, filepath.Join(root, dir))
		reached := s.reached()
		targets += len(s.targets)
		for _, name := range slices.Sorted(maps.Keys(s.parsers)) {
			parsers++
			if reached[name] {
				continue
			}
			if notFuzzed[dir+"."+name] == "" {
				t.Errorf("no fuzz target of %s reaches %s: write one, or say in notFuzzed why not", dir, name)
			}
			used[dir+"."+name] = true
		}
	}
	for line := range notFuzzed {
		if !used[line] {
			t.Errorf("notFuzzed has a line for %s, which is fuzzed or does not exist", line)
		}
	}
	t.Logf("%d parsers, %d fuzz targets", parsers, targets)
	if parsers < 80 || targets < 80 {
		t.Errorf("only %d parsers and %d targets were found: the test looks at the wrong thing", parsers, targets)
	}
}
