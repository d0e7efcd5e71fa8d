package display

import (
	"io"
	"os"

	"golang.org/x/term"
)

// Env is what drivers need of the world outside. The zero Env is the real
// world, with standard output as the terminal.
type Env struct {
	// Stdout is where term: writes; nil means os.Stdout.
	Stdout io.Writer

	// IsTerminal reports whether a person reads Stdout. Nil asks the system.
	// A PIN must not reach a journal, so term: is refused where it is false.
	IsTerminal func() bool

	Hardware
}

func (e Env) stdout() io.Writer {
	if e.Stdout == nil {
		return os.Stdout
	}
	return e.Stdout
}

func (e Env) isTerminal() bool {
	if e.IsTerminal != nil {
		return e.IsTerminal()
	}
	f, ok := e.stdout().(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
