package owner

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"xtls-agent/client"
	"xtls-agent/internal/cli"
)

// dirVariable names the folder where --dir does not.
const dirVariable = "XTLSCTL_DIR"

// Main runs the program and returns its exit code.
func Main(args []string, std cli.Streams) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	p := &program{std: std}
	root := p.root()
	root.SetArgs(args)
	root.SetIn(std.In)
	root.SetOut(std.Out)
	root.SetErr(std.Err)
	err := root.ExecuteContext(ctx)
	p.stopTimer()
	p.news.print(std.Err)
	if err == nil {
		return exitDone
	}
	said, code := judge(ctx, err)
	fmt.Fprintf(std.Err, "xtlsctl: %s\n", said)
	return code
}

// program is one run: the flags that every subcommand has.
type program struct {
	std     cli.Streams
	dir     string
	json    bool
	verbose bool
	timeout time.Duration
	cancel  context.CancelFunc // of the time limit; nil without one
	news    news
}

const help = `xtlsctl pairs with devices that run xtls-agent, and controls them. What it says to a device is
encrypted from here to there (TLS inside XMPP), whoever runs the server or the network.

  xtlsctl pair lan:192.168.1.20 --name lamp     type the PIN on the device's display
  xtlsctl commands lamp
  xtlsctl call lamp lamp state=on

DEVICE is a name given at pairing, a JID (box@home.example), an address on the local network
(lan:HOST[:PORT]), or the URI in a device's QR code (xmpp:JID?xtls-pair;pin=NNNNNNNN, in quotes). A
device is looked for on the local network first; that needs no account. To reach it from elsewhere,
give an account at an XMPP server: xtlsctl login JID.

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 not paired, 4 wrong PIN, 5 device
not reachable, 6 device refused, 7 the command failed, 8 outcome unknown.`

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:               "xtlsctl",
		Short:             "Pair with devices by PIN, and control them over XMPP",
		Long:              help,
		SilenceUsage:      true,
		SilenceErrors:     true,
		Args:              cobra.NoArgs,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return p.startTimer(cmd) },
	}
	flags := root.PersistentFlags()
	flags.StringVar(&p.dir, "dir", "", "the folder for account, keys and devices (default $"+dirVariable+", else the user's configuration folder)")
	flags.BoolVar(&p.json, "json", false, "print JSON")
	flags.BoolVarP(&p.verbose, "verbose", "v", false, "log details on stderr; never PINs, keys or passwords")
	flags.DurationVar(&p.timeout, "timeout", 0, "give up after this time, as 30s (default: each step has its own limit)")
	root.AddCommand(p.pairCommand(), p.devicesCommand(), p.commandsCommand(), p.callCommand(), p.watchCommand(),
		p.forgetCommand(), p.provisionCommand(), p.loginCommand(), p.logoutCommand(), p.identityCommand(), p.versionCommand())
	cli.MarkUsage(root)
	return root
}

// startTimer bounds the whole run, if the person asked for that.
func (p *program) startTimer(cmd *cobra.Command) error {
	if p.timeout < 0 {
		return cli.Usagef("--timeout must not be negative")
	}
	if p.timeout > 0 {
		ctx, cancel := context.WithTimeout(cmd.Context(), p.timeout)
		p.cancel = cancel
		cmd.SetContext(ctx)
	}
	return nil
}

func (p *program) stopTimer() {
	if p.cancel != nil {
		p.cancel()
	}
}

func (p *program) config() client.Config {
	dir := p.dir
	if dir == "" {
		dir = os.Getenv(dirVariable)
	}
	level := slog.LevelError
	if p.verbose {
		level = slog.LevelDebug
	}
	return client.Config{
		Dir: dir, Log: slog.New(slog.NewTextHandler(p.std.Err, &slog.HandlerOptions{Level: level})), News: p.news.add,
	}
}

func (p *program) open() (*client.Client, error) { return client.Open(p.config()) }

// target opens the folder and reads DEVICE.
func (p *program) target(device string) (*client.Client, client.Target, error) {
	c, err := p.open()
	if err != nil {
		return nil, client.Target{}, err
	}
	t, err := c.Target(device)
	return c, t, err
}

// session opens an encrypted session with DEVICE.
func (p *program) session(ctx context.Context, device string) (*client.Session, error) {
	c, t, err := p.target(device)
	if err != nil {
		return nil, err
	}
	return c.Open(ctx, t)
}
