package device

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"xtls-agent/agent"
	"xtls-agent/internal/cli"
)

func labelCommand(std cli.Streams, config *string, asJSON *bool) *cobra.Command {
	r := agent.LabelRequest{Reader: agent.ServiceUser, Rand: rand.Reader}
	var address string
	c := &cobra.Command{
		Use:   "make-label --out PREFIX",
		Short: "Make the label with the PIN of a device that has no display",
		Long: `make-label is for who makes a device that has no display, in mode "fixed". It draws the PIN and writes it to
pin_file, if there is none yet, and makes a label of 50 x 25 mm: PREFIX.png for a label printer, at 300 dots per
inch, and PREFIX.pdf of the same size. If PREFIX is a folder they are label.png and label.pdf in it. On the label are
the device's name and address, the PIN, what to do, and a QR code that xtlsctl pair takes too.

All three files hold the PIN: only their owner may read them. If root draws it, that of the PIN belongs to the user of
the service, xtls-agent, if there is one. Delete the two of the label once it is printed.

A device that has no account is found by its name and the name of its machine, as it is on the day. Say what it
will be, with --jid, if the label is made on another machine.`,
		Example: `  xtls-agent make-label --config lamp.toml --out lamp
  xtls-agent make-label --jid "lamp@raspberrypi" --out /tmp`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if r.Out == "" {
				return cli.Usagef("say where the label goes, with --out")
			}
			if address != "" {
				if err := r.JID.UnmarshalText([]byte(address)); err != nil {
					return &cli.UsageError{Err: err}
				}
			}
			cfg, err := agent.LoadConfig(*config)
			if err != nil {
				return &cli.UsageError{Err: err}
			}
			made, err := agent.MakeLabel(cfg, r)
			if errors.Is(err, agent.ErrNoLabel) {
				return &cli.UsageError{Err: err}
			}
			if err != nil {
				return err
			}
			if *asJSON {
				return json.NewEncoder(std.Out).Encode(made)
			}
			return printLabel(std, made)
		},
	}
	c.Flags().StringVar(&r.Out, "out", "", "a folder, or how the names of the files begin")
	c.Flags().StringVar(&address, "jid", "", "the device's address (default: that of its configuration, else its name at this machine)")
	c.Flags().BoolVar(&r.NewPIN, "force", false, "draw another PIN although there is one: labels with the old one are worth nothing then")
	return c
}

func printLabel(std cli.Streams, made *agent.MadeLabel) error {
	pin := "the PIN was in " + made.PINFile + " already"
	if made.PINDrawn {
		pin = "drew a PIN: " + made.PINFile
	}
	_, err := fmt.Fprintf(std.Out, "%s\nlabel for %s: %s, %s\nall of these hold the PIN: delete the label's files once it is printed\n",
		pin, made.JID, made.PNG, made.PDF)
	return err
}
