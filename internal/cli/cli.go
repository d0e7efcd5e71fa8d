// Package cli is what the command lines of both programs share: streams, wrong usage, and the version.
package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Streams are what a program reads from and writes to.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Standard returns the process's own.
func Standard() Streams { return Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr} }

// UsageError is wrong usage or configuration.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// Usagef makes a [UsageError].
func Usagef(format string, args ...any) error { return &UsageError{fmt.Errorf(format, args...)} }

// IsUsage reports whether err is about wrong usage.
func IsUsage(err error) bool {
	var usage *UsageError
	return errors.As(err, &usage)
}

// MarkUsage makes errors in flags and arguments of c and its subcommands usage errors, with a hint.
func MarkUsage(c *cobra.Command) {
	hinted := func(cmd *cobra.Command, err error) error {
		if err == nil || IsUsage(err) {
			return err
		}
		return Usagef("%w (see %s --help)", err, cmd.CommandPath())
	}
	c.SetFlagErrorFunc(hinted)
	markArgs(c, hinted)
}

func markArgs(c *cobra.Command, hinted func(*cobra.Command, error) error) {
	if check := c.Args; check != nil {
		c.Args = func(cmd *cobra.Command, args []string) error { return hinted(cmd, check(cmd, args)) }
	}
	for _, sub := range c.Commands() {
		markArgs(sub, hinted)
	}
}

// version is the version of a package, which its build gives to the linker: -X xtls-agent/internal/cli.version=1.2.3
var version string

// Version returns what was built: the package's version, or the module's, or the commit; and with which build tags.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return versionOf(info)
}

func versionOf(info *debug.BuildInfo) string {
	for _, s := range info.Settings {
		if s.Key == "-tags" && s.Value != "" {
			return commitOf(info) + " (tags " + s.Value + ")"
		}
	}
	return commitOf(info)
}

func commitOf(info *debug.BuildInfo) string {
	if version != "" {
		return version
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return s.Value[:12]
		}
	}
	return "devel"
}
