package main

import (
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A report is what memcheck says of one place: a branch on undefined memory, or an address made of it.
type report struct {
	ID     string   `xml:"unique"`
	Kind   string   `xml:"kind"`
	Origin []string `xml:"auxwhat"`
	Stacks []struct {
		PCs []string `xml:"frame>ip"`
	} `xml:"stack"` // the first is that of the place
}

// A sighting is a place in the program that branches on a secret, or makes an address of one.
type sighting struct {
	stack []string // the innermost function first, inlined ones too
	times int      // that it did so
}

// memcheck runs the program's operation "pair" and returns what was seen. Valgrind claims to have RDTSCP, which Go's runtime uses where locks
// are waited for, and dies of it on a machine that has it not.
func memcheck(t *testing.T, program, group string, godebug ...string) []sighting {
	t.Helper()
	path := filepath.Join(t.TempDir(), "reports.xml")
	c := exec.CommandContext(t.Context(), "valgrind", "--tool=memcheck", "--track-origins=yes", "--num-callers=40",
		"--error-limit=no", "--leak-check=no", "--xml=yes", "--xml-file="+path,
		// A stack pointer that moves by more than a function's frame has gone to the stack of another goroutine.
		"--max-stackframe=8000",
		program, "pair", group, "31415926", "1")
	c.Env = append(os.Environ(), "GOGC=off", "GODEBUG="+strings.Join(append(godebug, "cpu.rdtscp=off"), ","))
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("valgrind (is it there? `make peers`): %v\n%s", err, out)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		Reports []report `xml:"error"`
		Counts  []struct {
			ID    string `xml:"unique"`
			Times int    `xml:"count"`
		} `xml:"errorcounts>pair"`
	}
	if err := xml.Unmarshal(text, &all); err != nil {
		t.Fatalf("valgrind's reports: %v", err)
	}
	times := make(map[string]int)
	for _, c := range all.Counts { // the last is the sum
		times[c.ID] = c.Times
	}
	return sightings(t, openSymbols(t, program), all.Reports, times)
}

// sightings leaves out what does not come of our marks: a new stack is undefined memory to valgrind, and Go's runtime moves stacks.
// Beneath the runtime such memory counts, lest it hide a mark that it was mixed with.
func sightings(t *testing.T, s *symbols, reports []report, times map[string]int) []sighting {
	t.Helper()
	var list []sighting
	for _, r := range reports {
		if !strings.HasPrefix(r.Kind, "Uninit") || len(r.Stacks) == 0 {
			continue
		}
		var stack []string
		for _, text := range r.Stacks[0].PCs {
			pc, err := strconv.ParseUint(text, 0, 64)
			if err != nil {
				t.Fatalf("program counter %q: %v", text, err)
			}
			stack = append(stack, s.functions(pc)...)
		}
		marked := strings.Contains(strings.Join(r.Origin, " "), "client request")
		if marked || len(stack) > 0 && !strings.HasPrefix(stack[0], "runtime.") {
			list = append(list, sighting{stack, times[r.ID]})
		}
	}
	return list
}

// place cuts a stack to what tells where it is: the last function outside of the module, then the next four within it.
func place(stack []string) string {
	ours := slices.IndexFunc(stack, isOurs)
	if ours < 0 {
		return strings.Join(stack, " < ")
	}
	var names []string
	for _, f := range stack[max(0, ours-1):min(len(stack), ours+4)] {
		names = append(names, f[strings.LastIndex(f, "/")+1:])
	}
	return strings.Join(names, " < ")
}

func isOurs(function string) bool {
	return strings.HasPrefix(function, "xtls-agent/") || strings.HasPrefix(function, "main.")
}

// places returns each place with the number of times.
func places(list []sighting) map[string]int {
	times := make(map[string]int)
	for _, s := range list {
		times[place(s.stack)] += s.times
	}
	return times
}
