package device

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"xtls-agent/agent"
	"xtls-agent/internal/cli"
	"xtls-agent/internal/state"
)

func runCommand(std cli.Streams, config *string) *cobra.Command {
	var verbose bool
	var socket string
	c := &cobra.Command{
		Use:   "run",
		Short: "Run the device",
		Long: `run is the daemon: it keeps the device reachable until it is told to stop by SIGTERM.
It says READY to systemd (Type=notify) once it can be reached, or is trying to be, and keeps its watchdog.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(*config)
			if err != nil {
				return err
			}
			return run(cmd.Context(), cfg, socket, slog.New(logTo(std.Err, verbose)))
		},
	}
	c.Flags().StringVar(&socket, "exec-socket", "", "have the programs of commands run by exec-helper, at this Unix socket (default: as children)")
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "log details; never PINs, keys or passwords")
	return c
}

// logTo writes everything for somebody who watches, and else no more than a journal should hold.
func logTo(w io.Writer, verbose bool) slog.Handler {
	if verbose {
		return slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug})
	}
	return newJournal(slog.NewTextHandler(w, nil), time.Now)
}

// loadConfig reads the configuration; what is wrong in it is wrong usage.
func loadConfig(path string) (*agent.Config, error) {
	cfg, err := agent.LoadConfig(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) && path == agent.DefaultConfigFile {
			err = fmt.Errorf("%w: write one, or name it with --config", err)
		}
		return nil, &cli.UsageError{Err: err}
	}
	if err := cfg.CheckFiles(); err != nil {
		return nil, &cli.UsageError{Err: err}
	}
	return cfg, nil
}

func run(ctx context.Context, cfg *agent.Config, execSocket string, log *slog.Logger) error {
	dir, err := state.Open(cfg.StateDir, nil, state.WithLogger(log), state.EvenReadOnly())
	if err != nil {
		return &cli.UsageError{Err: err}
	}
	defer dir.Close()
	tell := func(state string) func() {
		return func() {
			if err := notify(state); err != nil {
				log.Warn("telling systemd", "err", err)
			}
		}
	}
	calls, entries, whole, err := dir.Log("calls")
	if err != nil {
		log.Warn("what came of earlier calls cannot be read: who repeats one hears that its outcome is not known", "err", err)
	}
	defer calls.Close()
	a := agent.New(cfg, dir, agent.Env{
		Log: log, Version: cli.Version(), Calls: agent.CallLog{Store: calls, Entries: entries, Whole: whole},
		ExecSocket: execSocket, Ready: tell("READY=1"), Alive: tell("WATCHDOG=1"), AliveEvery: watchdog() / 3,
	})
	err = a.Run(ctx)
	_ = notify("STOPPING=1")
	return err
}

// watchdog is how long systemd waits for a word that this process is alive (sd_watchdog_enabled(3)); 0: it does not.
func watchdog() time.Duration {
	if pid := os.Getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0
	}
	usec, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil || usec < 0 || usec > int64(time.Hour/time.Microsecond)*24 {
		return 0
	}
	return time.Duration(usec) * time.Microsecond
}

// notify tells systemd (sd_notify(3)), if it asked to be told.
func notify(state string) error {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	if strings.HasPrefix(path, "@") { // an abstract socket
		path = "\x00" + path[1:]
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Write([]byte(state))
	return err
}

func checkConfigCommand(std cli.Streams, config *string) *cobra.Command {
	return &cobra.Command{
		Use:   "check-config",
		Short: "Check the configuration without starting anything",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if _, err := loadConfig(*config); err != nil {
				return err
			}
			fmt.Fprintf(std.Out, "%s: ok\n", *config)
			return nil
		},
	}
}
