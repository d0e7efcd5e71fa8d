package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A mutant is the program without one of its checks.
type mutant struct {
	name  string // of its file in the list, and its own: "pairing/pin-spent"
	rule  string // what the check is there for
	note  string // for readers; may be empty
	hunks []hunk
	by    []tests
	hangs bool // it is noticed by tests that never end
}

// A hunk is a piece of a file and what takes its place.
type hunk struct {
	file     string // from the root of the module
	old, new string
}

// tests are some of a package.
type tests struct {
	pkg   string // from the root of the module
	names []string
}

// readList reads all files of the list, in the order of their names.
func readList(dir string) ([]mutant, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, err
	}
	slices.Sort(paths)
	var all []mutant
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		area := strings.TrimSuffix(filepath.Base(path), ".txt")
		some, err := parse(area, string(text))
		if err != nil {
			return nil, fmt.Errorf("%s:%w", path, err)
		}
		all = append(all, some...)
	}
	return all, unique(all)
}

func unique(all []mutant) error {
	seen := make(map[string]bool)
	for _, m := range all {
		if seen[m.name] {
			return fmt.Errorf("two mutants are called %s", m.name)
		}
		seen[m.name] = true
	}
	return nil
}

// parse reads one file of the list. A line that starts in the first column names a mutant, or is a remark after a #. What
// belongs to a mutant is indented by two spaces:
//
//	rule WORDS     the rule and where it stands; more lines go on with it
//	note WORDS     for readers
//	in FILE        where the change is
//	- TEXT         a line of what is there; from and to the middle of a line is fine
//	+ TEXT         a line of what takes its place
//	by PKG TEST …  the tests that should notice
//	hangs          they notice by not coming to an end
//
// A - after a + starts another change.
func parse(area, text string) ([]mutant, error) {
	var all []mutant
	var p *parser
	for i, line := range strings.Split(text, "\n") {
		var err error
		switch rest, indented := strings.CutPrefix(line, "  "); {
		case strings.TrimSpace(line) == "" || line[0] == '#':
		case indented && p != nil:
			err = p.line(rest)
		case indented:
			err = errors.New("this belongs to no mutant")
		default:
			if p != nil {
				all, err = append(all, p.mutant), p.mutant.check()
			}
			p = &parser{mutant: mutant{name: area + "/" + line}}
		}
		if err != nil {
			return nil, fmt.Errorf("%d: %w", i+1, err)
		}
	}
	if p == nil {
		return nil, nil
	}
	return append(all, p.mutant), p.mutant.check()
}

// A parser reads one mutant.
type parser struct {
	mutant
	file string // of the hunks that follow
	last string // the word that the last line began with
}

func (p *parser) line(line string) error {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "rule":
		p.rule = joined(p.rule, rest)
	case "note":
		p.note = joined(p.note, rest)
	case "in":
		p.file = rest
	case "-":
		if p.last != "-" {
			p.hunks = append(p.hunks, hunk{file: p.file, old: rest})
		} else {
			p.current().old += "\n" + rest
		}
	case "+":
		switch {
		case p.last == "+":
			p.current().new += "\n" + rest
		case p.last == "-":
			p.current().new = rest
		default:
			return errors.New("a + stands after a -")
		}
	case "by":
		names := strings.Fields(rest)
		if len(names) < 2 {
			return errors.New("by needs a package and its tests")
		}
		p.by = append(p.by, tests{names[0], names[1:]})
	case "hangs":
		p.hangs = true
	default:
		return fmt.Errorf("unknown word %q", word)
	}
	p.last = word
	return nil
}

func (p *parser) current() *hunk { return &p.hunks[len(p.hunks)-1] }

func joined(a, b string) string { return strings.TrimSpace(a + " " + b) }

// check refuses a mutant that says too little.
func (m mutant) check() error {
	switch {
	case m.rule == "" || len(m.hunks) == 0 || len(m.by) == 0:
		return fmt.Errorf("%s needs a rule, a change and tests", m.name)
	case slices.ContainsFunc(m.hunks, func(h hunk) bool { return h.file == "" || strings.TrimSpace(h.old) == "" || h.old == h.new }):
		return fmt.Errorf("%s has a change without a file, or that changes nothing", m.name)
	}
	return nil
}

// changed returns the files of the module as the mutant has them. It fails where the list is stale.
func (m mutant) changed(root string) (map[string][]byte, error) {
	files := make(map[string][]byte)
	for _, h := range m.hunks {
		if files[h.file] == nil {
			text, err := os.ReadFile(filepath.Join(root, h.file))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", m.name, err)
			}
			files[h.file] = text
		}
		if n := bytes.Count(files[h.file], []byte(h.old)); n != 1 {
			return nil, fmt.Errorf("%s: this stands in %s %d times, not once:\n%s", m.name, h.file, n, h.old)
		}
		files[h.file] = bytes.Replace(files[h.file], []byte(h.old), []byte(h.new), 1)
	}
	return files, nil
}

// byPackage returns all tests of some mutants, each once.
func byPackage(mutants []mutant) []tests {
	names := make(map[string][]string)
	for _, m := range mutants {
		for _, t := range m.by {
			names[t.pkg] = append(names[t.pkg], t.names...)
		}
	}
	var all []tests
	for pkg, some := range names {
		slices.Sort(some)
		all = append(all, tests{pkg, slices.Compact(some)})
	}
	slices.SortFunc(all, func(a, b tests) int { return cmp.Compare(a.pkg, b.pkg) })
	return all
}
