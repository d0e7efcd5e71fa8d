package man_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"xtls-agent/agent"
)

// guides are followed by people who have never seen the programs: what they are told to write and to type must be right.
var guides = []string{"raspberry-pi.md", "buttons.md", "displays.md"}

// blocks returns the fenced blocks of a document that are marked with a language.
func blocks(text, language string) (all []string) {
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	return all
}

func TestGuidesConfigure(t *testing.T) {
	for _, guide := range guides {
		found := blocks(read(t, "../"+guide), "toml")
		if len(found) == 0 {
			t.Errorf("%s configures nothing", guide)
		}
		for _, block := range found {
			if guide == "displays.md" { // one line for each way to wire it
				for line := range strings.Lines(block) {
					if _, err := agent.ParseConfig([]byte(line)); err != nil {
						t.Errorf("%s: %v\n%s", guide, err, line)
					}
				}
				continue
			}
			if _, err := agent.ParseConfig([]byte(block)); err != nil {
				t.Errorf("%s: %v\n%s", guide, err, block)
			}
		}
	}
}

// TestGuidesTypeCommands: every command and flag that a guide has people type is one.
func TestGuidesTypeCommands(t *testing.T) {
	known := map[string]usage{}
	for _, program := range []string{"xtls-agent", "xtlsctl"} {
		known[program] = ofPage(t, program+".1") // which TestPagesAgreeWithHelp holds to the program
	}
	typed := 0
	for _, guide := range guides {
		for _, block := range blocks(read(t, "../"+guide), "sh") {
			for line := range strings.Lines(block) {
				words := strings.Fields(strings.TrimPrefix(line, "sudo "))
				u, ours := known[words[0]]
				if !ours {
					continue
				}
				typed++
				if len(words) < 2 || !slices.Contains(u.Commands, words[1]) {
					t.Errorf("%s has people type %q", guide, line)
				}
				for _, word := range words {
					if flag, ok := strings.CutPrefix(word, "--"); ok && !slices.Contains(u.Flags, flag) {
						t.Errorf("%s has people type %q: there is no %s", guide, line, word)
					}
				}
			}
		}
	}
	if typed < 10 {
		t.Errorf("only %d commands were found", typed)
	}
}

// TestWiringIsDrawn: the pictures are those that their program draws.
func TestWiringIsDrawn(t *testing.T) {
	dir := t.TempDir()
	draw := exec.Command("go", "run", "docs/wiringsvg.go", dir)
	draw.Dir = root
	if out, err := draw.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range []string{"wiring.svg", "relay.svg"} {
		want, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := read(t, "../"+name); !bytes.Equal([]byte(got), want) {
			t.Errorf("docs/%s is out of date: make docs", name)
		}
	}
}
