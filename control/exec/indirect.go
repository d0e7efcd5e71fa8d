package exec

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"xtls-agent/xmpp/form"
)

// Programs that run other programs, or text as a program.
var (
	// starters run the program that their arguments name.
	starters = lazily(`^(env|sudo|doas|nice|ionice|nohup|setsid|stdbuf|timeout|xargs|runuser|setpriv|time|busybox)$`)
	// interpreters run the argument after a flag for it, or else the file that their first argument names.
	interpreters = lazily(`^([abdkz]?sh|mksh|bash|dash|fish|su|python[0-9.]*|perl|ruby|node|php|lua[0-9.]*)$`)
	scriptFlag   = lazily(`^(-[A-Za-z]*[ceEr]|--(eval|command|execute|print))$`)
	// scriptFirst run their first argument that is no flag.
	scriptFirst = lazily(`^([gmn]?awk|sed)$`)
	// remote join all arguments to a line for a shell.
	remote = lazily(`^(ssh|watch)$`)
)

// pattern is a regular expression that is compiled when it is first needed: a device starts before, and may have no programs to run.
type pattern func() *regexp.Regexp

func lazily(expr string) pattern {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}

// MatchString is that of the regular expression.
func (p pattern) MatchString(s string) bool { return p().MatchString(s) }

// checkIndirect refuses fields where a well-known program would run them. It cannot know every
// program: whoever writes a definition has to know what a program does with its arguments.
func checkIndirect(args []argument, fields []Field) error {
	program := filepath.Base(args[0].text())
	starting := starters.MatchString(program) // the program that it runs is still to come
	scriptHere := scriptFirst.MatchString(program)
	fileHere := interpreters.MatchString(program) // the name of a script may be still to come
	for _, a := range args[1:] {
		free := a.free(fields)
		switch word := a.text(); {
		case starting && a.placeholder():
			return fmt.Errorf("%s could run the value of a field as a program: name that program, by its absolute path, before the field", program)
		case free && (scriptHere || fileHere || remote.MatchString(program)):
			return fmt.Errorf("%s would run the value of a field as a script: give the field to a script as an argument (sh -c 'lamp \"$1\"' sh {field}), or make it a list", program)
		case starting && (filepath.IsAbs(word) || program == "busybox"):
			program = filepath.Base(word)
			starting, scriptHere = starters.MatchString(program), scriptFirst.MatchString(program)
			fileHere = interpreters.MatchString(program)
		case scriptFirst.MatchString(program):
			scriptHere = scriptHere && strings.HasPrefix(word, "-")
		default:
			scriptHere = interpreters.MatchString(program) && scriptFlag.MatchString(word)
			fileHere = fileHere && strings.HasPrefix(word, "-")
		}
	}
	return nil
}

// free reports whether the argument holds a field whose values the owner words himself, in
// contrast to a list, a boolean or a number.
func (a argument) free(fields []Field) bool {
	return slices.ContainsFunc(a.parts, func(p part) bool {
		i := slices.IndexFunc(fields, func(f Field) bool { return f.Var == p.field })
		if p.field == "" || i < 0 {
			return false
		}
		switch f := fields[i]; f.Type {
		case form.ListSingle, form.ListMulti, form.Boolean:
			return false
		default:
			return f.Range == nil
		}
	})
}
