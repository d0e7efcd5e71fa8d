package device

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"xtls-agent/agent"
	"xtls-agent/internal/cli"
)

// Exit codes, as the documentation lists them.
const (
	exitDone    = 0
	exitFailed  = 1
	exitUsage   = 2
	exitCommand = 7 // a command ran and failed
)

// Main runs the program and returns its exit code.
func Main(args []string, std cli.Streams) int {
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

func exitCode(err error) int {
	if cli.IsUsage(err) {
		return exitUsage
	}
	if errors.Is(err, errCommand) {
		return exitCommand
	}
	return exitFailed
}

func rootCommand(std cli.Streams) *cobra.Command {
	root := &cobra.Command{
		Use:           "xtls-agent",
		Short:         "Pair a device with its owner by PIN, and let the owner control it over XMPP",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          helpOnly,
	}
	var config, socket string
	var asJSON bool
	flags := root.PersistentFlags()
	flags.StringVar(&config, "config", agent.DefaultConfigFile, "the configuration file")
	flags.StringVar(&socket, "socket", "", "the local socket of the running device (default: as the configuration says)")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	l := &local{std: std, config: &config, socket: &socket, json: &asJSON}
	root.AddCommand(runCommand(std, &config), blankCommand(std, &config), demoCommand(std), execHelperCommand(&config),
		l.statusCommand(), l.pairingCommand(), l.ownersCommand(), l.resetCommand(), setupCommand(std, &config),
		hwTestCommand(std, &config, &asJSON), labelCommand(std, &config, &asJSON), checkConfigCommand(std, &config),
		versionCommand(std, &asJSON))
	cli.MarkUsage(root)
	return root
}
