package device

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"xtls-agent/agent"
)

// Exit codes, as the documentation lists them.
const (
	exitDone    = 0
	exitFailed  = 1
	exitUsage   = 2
	exitCommand = 7 // a command ran and failed
)

// Streams are what the program reads from and writes to.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Standard returns the process's own.
func Standard() Streams { return Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr} }

// Main runs the program and returns its exit code.
func Main(args []string, std Streams) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := rootCommand(std)
	root.SetArgs(args)
	root.SetIn(std.In)
	root.SetOut(std.Out)
	root.SetErr(std.Err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	fmt.Fprintf(std.Err, "xtls-agent: %v\n", err)
	return exitCode(err)
}

// usageError is wrong usage or configuration: exit code 2.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func exitCode(err error) int {
	var usage *usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	if errors.Is(err, errCommand) {
		return exitCommand
	}
	return exitFailed
}

// markUsage makes errors in the arguments of any subcommand usage errors.
func markUsage(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return &usageError{fmt.Errorf("%w (see %s --help)", err, cmd.CommandPath())}
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		markUsage(sub)
	}
}

func rootCommand(std Streams) *cobra.Command {
	root := &cobra.Command{
		Use:           "xtls-agent",
		Short:         "Pair a device with its owner by PIN, and let the owner control it over XMPP",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          helpOnly,
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{fmt.Errorf("%w (see %s --help)", err, cmd.CommandPath())}
	})
	var config, socket string
	var asJSON bool
	flags := root.PersistentFlags()
	flags.StringVar(&config, "config", agent.DefaultConfigFile, "the configuration file")
	flags.StringVar(&socket, "socket", "", "the local socket of the running device (default: as the configuration says)")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	l := &local{std: std, config: &config, socket: &socket, json: &asJSON}
	root.AddCommand(runCommand(std, &config), demoCommand(std), l.statusCommand(), l.pairingCommand(), l.ownersCommand(),
		l.resetCommand(), checkConfigCommand(std, &config), versionCommand(std, &asJSON))
	markUsage(root)
	return root
}
