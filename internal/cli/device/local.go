package device

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"xtls-agent/agent"
	"xtls-agent/internal/cli"
)

// local makes the subcommands that talk to the running device over its local socket, which
// speaks the same protocol as an owner's session.
type local struct {
	std    cli.Streams
	config *string
	socket *string
	json   *bool
}

// errCommand is a command that ran and failed.
var errCommand = errors.New("the device says")

// call runs one command of the device.
func (l *local) call(ctx context.Context, name string, values agent.Values) (agent.Result, error) {
	path, err := l.path()
	if err != nil {
		return agent.Result{}, err
	}
	res, err := agent.CallLocal(ctx, path, name, values)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return res, fmt.Errorf("no xtls-agent runs here: start it first (%s)", path)
	case errors.Is(err, fs.ErrPermission):
		return res, fmt.Errorf("this user may not talk to the device: use root, or join the group xtls-agent (%s)", path)
	case err != nil:
		return res, err
	case res.Failure != "":
		return res, fmt.Errorf("%w: %s", errCommand, res.Failure)
	}
	return res, nil
}

// path finds the socket: as told, or as the configuration has it, or where it is by default.
func (l *local) path() (string, error) {
	if *l.socket != "" {
		return *l.socket, nil
	}
	cfg, err := agent.LoadConfig(*l.config)
	switch {
	case err == nil:
		return cfg.Socket(), nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return (&agent.Config{RunDir: agent.DefaultRunDir}).Socket(), nil
	default:
		return "", &cli.UsageError{Err: err}
	}
}

func (l *local) print(res agent.Result) error {
	if *l.json {
		return json.NewEncoder(l.std.Out).Encode(res)
	}
	_, err := fmt.Fprintln(l.std.Out, strings.TrimRight(res.Text(), "\n"))
	return err
}

// run returns a RunE that calls a command without values.
func (l *local) run(name string) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error { return l.runWith(cmd, name, nil) }
}

func (l *local) runWith(cmd *cobra.Command, name string, values agent.Values) error {
	res, err := l.call(cmd.Context(), name, values)
	if err != nil {
		return err
	}
	return l.print(res)
}

func (l *local) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show how the device is doing", Args: cobra.NoArgs, RunE: l.run("status"),
	}
}

func (l *local) pairingCommand() *cobra.Command {
	c := &cobra.Command{Use: "pairing", Short: "Open, close or unlock pairing", Args: cobra.NoArgs, RunE: helpOnly}
	var allow []string
	open := &cobra.Command{
		Use: "open", Short: "Open a pairing window",
		Long: `open opens a pairing window, in place of one that may be open. Whoever is named by --allow may pair in
it, and owners, with one more program of theirs; it says where the PIN is. While the device has no owner, its own domain and the
local network may too.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			values := agent.Values{}
			if len(allow) > 0 {
				values["allow"] = allow
			}
			return l.runWith(cmd, "pair", values)
		},
	}
	open.Flags().StringSliceVar(&allow, "allow", nil, "bare JIDs that may try in this window, or the word anyone")
	c.AddCommand(open,
		&cobra.Command{Use: "close", Short: "Close the pairing window", Args: cobra.NoArgs, RunE: l.run("pairing-close")},
		&cobra.Command{Use: "unlock", Short: "Unlock pairing after too many wrong PINs, or damaged state", Args: cobra.NoArgs, RunE: l.run("pairing-unlock")})
	return c
}

func (l *local) ownersCommand() *cobra.Command {
	c := &cobra.Command{Use: "owners", Short: "List or remove owners", Args: cobra.NoArgs, RunE: l.run("owners")}
	c.AddCommand(
		&cobra.Command{Use: "list", Short: "List the owners", Args: cobra.NoArgs, RunE: l.run("owners")},
		&cobra.Command{
			Use: "remove JID", Short: "Remove an owner; its open sessions end", Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				return l.runWith(cmd, "owners", agent.Values{"remove": {args[0]}})
			},
		})
	return c
}

func (l *local) resetCommand() *cobra.Command {
	return &cobra.Command{
		Use: "reset", Short: "Forget every owner and make a new identity",
		Long: `reset forgets what the device has learnt: owners, counters and its own certificate, as holding the
button for 10 seconds does. The account goes too if an owner gave it; what is in the configuration stays.`,
		Args: cobra.NoArgs, RunE: l.run("reset"),
	}
}

func helpOnly(cmd *cobra.Command, _ []string) error { return cmd.Help() }
