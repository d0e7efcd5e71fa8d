// Package clitest holds what the scripts of both programs share (testscript, *.txtar). It is for tests only.
package clitest

import (
	"errors"
	"os/exec"
	"regexp"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"
)

// Code is the command "code N PROGRAM [ARG…]" of a script: the program must end with exit code N, and say one line
// of error on stderr, in lowercase after its name, which stands there once.
func Code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N PROGRAM [ARG…]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	program := args[1]
	err = ts.Exec(program, args[2:]...)
	var exit *exec.ExitError
	got := 0
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
	if said := ts.ReadFile("stderr"); !oneError(program, said) {
		ts.Fatalf("want one line of error that begins with %s: and goes on in lowercase", program)
	}
}

// oneError reports whether exactly one line is the program's, and is as an error should be.
func oneError(program, stderr string) bool {
	name := "^" + regexp.QuoteMeta(program) + ": "
	lines := regexp.MustCompile("(?m)"+name+".*$").FindAllString(stderr, -1)
	return len(lines) == 1 && regexp.MustCompile(name+"[^A-Z]").MatchString(lines[0]) &&
		!regexp.MustCompile(name+regexp.QuoteMeta(program)).MatchString(lines[0])
}
