package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// How long the tests may take: all of a package's without a mutant, those of a mutant, and those of one that makes a test wait
// for ever.
const (
	baselineTimeout = 15 * time.Minute
	mutantTimeout   = 3 * time.Minute
	hangTimeout     = time.Minute
)

// An outcome is what came of running tests.
type outcome int

const (
	passed   outcome = iota // the mutant survives
	failed                  // it is killed
	hung                    // they did not end in time
	broken                  // it does not compile
	missing                 // there are no such tests
	doubtful                // a test failed, and did not when it was run again
)

// A runner runs tests of the module.
type runner struct {
	root string
	temp string // where changed files go
}

// baseline runs tests of a package as it is. It returns what they said if they did not pass.
func (r runner) baseline(ctx context.Context, t tests) (said string, ok bool) {
	said = r.goTest(ctx, t, baselineTimeout, "")
	got, _ := judge(said)
	return said, got == passed
}

// kill runs the tests of a mutant until one notices, and returns which. They must notice twice: a test that fails at times
// without a mutant would kill any.
func (r runner) kill(ctx context.Context, m mutant) (got outcome, by string, err error) {
	overlay, err := r.overlay(m)
	if err != nil {
		return broken, "", err
	}
	limit := mutantTimeout
	if m.hangs {
		limit = hangTimeout
	}
	var doubted string
	for _, t := range m.by {
		said := r.goTest(ctx, t, limit, overlay)
		got, by = judge(said)
		switch {
		case got == broken || got == missing:
			return got, "", fmt.Errorf("%s", strings.TrimSpace(said))
		case got == hung && m.hangs:
			return failed, by + " hangs", nil
		case got == failed:
			if again, _ := judge(r.goTest(ctx, t, limit, overlay)); again == failed {
				return failed, by, nil
			}
			doubted = by // others may be certain
		case got != passed:
			return got, by, nil
		}
	}
	if doubted != "" {
		return doubtful, doubted, ctx.Err()
	}
	return passed, "", ctx.Err()
}

// overlay writes the files that the mutant changes, and the list of them for go's -overlay.
func (r runner) overlay(m mutant) (path string, err error) {
	files, err := m.changed(r.root)
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(r.temp, "")
	if err != nil {
		return "", err
	}
	replace := make(map[string]string)
	for name, text := range files {
		real, err := filepath.Abs(filepath.Join(r.root, name))
		if err != nil {
			return "", err
		}
		replace[real] = filepath.Join(dir, strings.ReplaceAll(name, "/", "-"))
		if err := os.WriteFile(replace[real], text, 0o600); err != nil {
			return "", err
		}
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, list, 0o600)
}

// goTest runs tests and returns what they said. Programs that the tests build have the mutant too.
func (r runner) goTest(ctx context.Context, t tests, limit time.Duration, overlay string) string {
	args := []string{"test", "-count=1", "-vet=off", "-timeout", limit.String(), "-run", "^(" + strings.Join(t.names, "|") + ")$"}
	if overlay != "" {
		args = append(args, "-failfast")
	}
	c := exec.CommandContext(ctx, "go", append(args, "./"+t.pkg)...)
	c.Dir = r.root
	c.Env = os.Environ()
	if overlay != "" {
		c.Env = append(c.Env, "GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" -overlay="+overlay))
	}
	said, err := c.CombinedOutput()
	if err != nil && len(said) == 0 {
		return err.Error()
	}
	return string(said)
}

var (
	notBuilt   = regexp.MustCompile(`(?m)^FAIL\t.*\[(build|setup) failed\]$`)
	noTests    = regexp.MustCompile(`(?m)no tests to run|no test files`)
	allPassed  = regexp.MustCompile(`(?m)^ok  \t`)
	inTime     = regexp.MustCompile(`(?m)^panic: test timed out after`)
	running    = regexp.MustCompile(`(?m)^\s*running tests:\n\s+(\w+)`)
	failedTest = regexp.MustCompile(`(?m)^--- FAIL: (\S+)`)
	panicked   = regexp.MustCompile(`(?m)^(panic|fatal error): (.{0,60})`)
	leaked     = regexp.MustCompile(`(?m)^goleak: `)
)

// judge reads what go test said, and who said it.
func judge(said string) (got outcome, by string) {
	switch {
	case notBuilt.MatchString(said):
		return broken, ""
	case inTime.MatchString(said):
		return hung, first(running, said)
	case failedTest.MatchString(said):
		return failed, first(failedTest, said)
	case noTests.MatchString(said):
		return missing, ""
	case allPassed.MatchString(said):
		return passed, ""
	case panicked.MatchString(said):
		return failed, "a panic"
	case leaked.MatchString(said):
		return failed, "TestMain, which counts goroutines"
	}
	return broken, ""
}

func first(r *regexp.Regexp, said string) string {
	if m := r.FindStringSubmatch(said); m != nil {
		return m[1]
	}
	return "a test"
}
