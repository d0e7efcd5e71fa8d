package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// verdict is what came of one mutant.
type verdict struct {
	mutant
	got outcome
	by  string // the test that noticed
	err error  // why nothing can be said
}

func (v verdict) killed() bool { return v.err == nil && v.got == failed }

// String is the verdict in words.
func (v verdict) String() string {
	switch {
	case v.err != nil && v.got == broken:
		return "STALE: " + v.err.Error()
	case v.err != nil:
		return "NOT JUDGED: " + v.err.Error()
	case v.got == failed:
		return "killed by " + v.by
	case v.got == doubtful:
		return "DOUBTFUL: " + v.by + " failed once of twice"
	case v.got == hung:
		return "HUNG in " + v.by
	}
	return "SURVIVED"
}

const heading = `Security checks that were removed from the program one at a time, and the test that noticed. "make mutants" writes this;
the checks and their rules are in internal/mutants/list.
`

// write puts verdicts into the file at path. Of mutants that were not run now, but are in the list, the lines that
// stand there stay.
func write(path string, all []mutant, verdicts []verdict) error {
	lines, err := read(path)
	if err != nil {
		return err
	}
	for _, v := range verdicts {
		lines[v.name], _, _ = strings.Cut(v.String(), "\n")
	}
	var b strings.Builder
	b.WriteString(heading)
	area := ""
	for _, m := range all {
		if a, _, _ := strings.Cut(m.name, "/"); a != area {
			area = a
			b.WriteString("\n")
		}
		if lines[m.name] == "" {
			lines[m.name] = "NOT RUN"
		}
		fmt.Fprintf(&b, "%-*s  %s\n", widest(all), m.name, lines[m.name])
	}
	return os.WriteFile(path, []byte(b.String()), 0o644)
}

func widest(all []mutant) int {
	n := 0
	for _, m := range all {
		n = max(n, len(m.name))
	}
	return n
}

// read returns the verdicts in the file at path, by name.
func read(path string) (map[string]string, error) {
	lines := make(map[string]string)
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return lines, nil
	}
	for line := range strings.Lines(string(text)) {
		if name, said, ok := strings.Cut(strings.TrimSpace(line), "  "); ok && strings.Contains(name, "/") {
			lines[name] = strings.TrimSpace(said)
		}
	}
	return lines, err
}

// tell prints who survived, and returns whether nobody did.
func tell(verdicts []verdict) bool {
	bad := slices.DeleteFunc(slices.Clone(verdicts), verdict.killed)
	for _, v := range bad {
		fmt.Printf("\n%s: %v\n  %s\n", v.name, v, v.rule)
	}
	fmt.Printf("\n%d mutants, %d killed\n", len(verdicts), len(verdicts)-len(bad))
	return len(bad) == 0
}
