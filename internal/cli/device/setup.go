package device

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"xtls-agent/agent"
	"xtls-agent/agent/setup"
	"xtls-agent/agent/trial"
	"xtls-agent/internal/cli"
)

// pressLimit is how long setup waits for a button.
const pressLimit = 30 * time.Second

func setupCommand(std cli.Streams, config *string) *cobra.Command {
	var server, caFile string
	c := &cobra.Command{
		Use:   "setup",
		Short: "Set the device up: account, display and button",
		Long: `setup asks for the device's account, and for its display and its button, which it looks for. It tries each at once: it
logs in, shows a test picture, waits for the button. Only then it writes the configuration. One that is there stays as a
backup, and what setup does not ask about, such as commands, is taken over. Ctrl-C leaves everything as it was.

Answers may come from a script: then there is a line on stdin for each question.`,
		Example: `  sudo xtls-agent setup
  sudo xtls-agent setup --server 192.168.1.2:5222 --ca-file ca.pem`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			t, err := newTalk(std, *config, server, caFile)
			if err != nil {
				return &cli.UsageError{Err: err}
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGHUP) // the line to the device broke off
			defer stop()
			return unfinished(t.run(ctx), "nothing was changed")
		},
	}
	c.Flags().StringVar(&server, "server", "", "the account's server, host:port, in place of its DNS records")
	c.Flags().StringVar(&caFile, "ca-file", "", "PEM file with the CA of the server's certificate (default: the system's)")
	return c
}

// talk is the conversation of setup.
type talk struct {
	*asker
	env            trial.Env
	login          func(context.Context, *agent.XMPPConfig, string) (string, error)
	service        service
	server, caFile string

	files  setup.Files
	before string        // the configuration that is there, or ""
	old    *agent.Config // the same, or the defaults

	answers  setup.Answers
	password string // a new one; "" if there is none
}

// newTalk looks at what is there, and whether it may be changed.
func newTalk(std cli.Streams, config, server, caFile string) (*talk, error) {
	t := &talk{asker: newAsker(std, std.Out), login: agent.TryLogin, server: server, files: setup.FilesAt(config, time.Now())}
	t.service = serviceOf(config)
	if err := t.files.MayWrite(); err != nil {
		return nil, err
	}
	var err error
	if caFile != "" { // the service runs in another folder
		if t.caFile, err = filepath.Abs(caFile); err != nil {
			return nil, err
		}
	}
	if t.before, err = t.files.Before(); err != nil {
		return nil, err
	}
	if t.old, err = agent.ParseConfig([]byte(t.before)); err != nil {
		return nil, fmt.Errorf("%s: %w: mend it, or move it away", config, err)
	}
	return t, nil
}

func (t *talk) run(ctx context.Context) error {
	t.printf("This sets up xtls-agent: its account, its display, its button. Nothing is written before the end.\n\n")
	resume, err := t.makeRoom(ctx)
	if err != nil {
		return err
	}
	for _, ask := range []func(context.Context) error{t.askName, t.askAccount, t.askDisplays, t.askButtons, t.write} {
		if err := ask(ctx); err != nil {
			resume()
			return err
		}
		t.printf("\n")
	}
	err = t.start(ctx)
	if unasked := errors.Is(err, cli.ErrInputEnded) || errors.Is(err, cli.ErrInterrupted); unasked {
		resume()
		return nil // what was to be done is done
	}
	return err
}

// makeRoom stops the service, which holds the hardware. resume starts it again, if it was stopped.
func (t *talk) makeRoom(ctx context.Context) (resume func(), err error) {
	resume = func() {}
	if t.service.active(ctx) {
		stop, err := t.yes(ctx, "xtls-agent runs, and holds the hardware. Stop it until this is done?", true)
		switch {
		case err != nil:
			return nil, err
		case !stop:
			return nil, errRunning
		}
		resume = func() { t.startAgain(ctx) }
		if err := t.service.ctl(ctx, "stop", unit); err != nil {
			resume() // it may have gone half of the way
			return nil, err
		}
	}
	if agent.Running(t.old.Socket()) {
		resume()
		return nil, errRunning
	}
	return resume, nil
}

// startAgain starts the service that was stopped, even if ctx has ended.
func (t *talk) startAgain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if err := t.service.ctl(ctx, "start", unit); err != nil {
		t.printf("xtls-agent could not be started again: %s\n", inWords(err))
	}
}

func (t *talk) askName(ctx context.Context) error {
	usual := t.old.Name.String()
	if host, err := os.Hostname(); t.before == "" && err == nil && host != "" {
		usual = host
	}
	for {
		text, err := t.ask(ctx, "Name of this device, for people ["+usual+"]:")
		if err != nil {
			return err
		}
		if text == "" {
			text = usual
		}
		var name agent.Checked[agent.Name]
		if err := name.UnmarshalText([]byte(text)); err != nil {
			t.printf("%s\n", inWords(err))
			continue
		}
		t.answers.Name = text
		return nil
	}
}

// write shows where to, and writes.
func (t *talk) write(ctx context.Context) error {
	text, err := setup.Compose(t.answers, t.before)
	if err != nil {
		return err
	}
	question := "Write " + t.files.Config + "?"
	if t.before != "" {
		question = t.files.Config + " is there already. It stays as a backup; its commands are taken over. Write the new one?"
	}
	write, err := t.yes(ctx, question, true)
	switch {
	case err != nil:
		return err
	case !write:
		return errors.New("nothing was changed")
	}
	backups, err := t.files.Write(text, t.password)
	if err != nil {
		return fmt.Errorf("the configuration could not be written, and is as it was: %w", err)
	}
	t.printf("Written: %s\n", t.files.Config)
	for _, path := range backups {
		t.printf("Kept:    %s\n", path)
	}
	return nil
}

// start starts the service, or says how.
func (t *talk) start(ctx context.Context) error {
	if !t.service.known(ctx) {
		t.printf("Start it: xtls-agent run --config %s\n", t.files.Config)
		return nil
	}
	const by = "systemctl enable --now " + unit
	start, err := t.yes(ctx, "Start xtls-agent now, and whenever this machine starts?", true)
	if err != nil || !start {
		t.printf("Start it: sudo %s\n", by)
		return err
	}
	if err := t.service.ctl(ctx, "enable", "--now", unit); err != nil {
		return fmt.Errorf("the configuration is written, but %s failed (see journalctl -u %s): %w", by, unit, err)
	}
	t.printf("xtls-agent runs: `xtls-agent status` tells how it is doing.\n")
	if len(t.answers.Displays) > 0 && t.answers.Displays[0] != noDisplay {
		t.printf("Until it has an owner it shows a PIN. On your computer: xtlsctl pair %s\n", t.address())
	}
	return nil
}

// address is what an owner pairs with.
func (t *talk) address() string {
	if t.answers.Account != nil {
		return t.answers.Account.JID
	}
	return "lan:ADDRESS, with the address of this machine"
}
