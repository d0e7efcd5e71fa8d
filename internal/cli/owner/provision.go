package owner

import (
	"bufio"
	"context"
	"errors"

	"github.com/spf13/cobra"

	"xtls-agent/client"
	"xtls-agent/internal/cli"
	"xtls-agent/owner"
)

func (p *program) provisionCommand() *cobra.Command {
	var address, server, caFile string
	var passwordStdin bool
	c := &cobra.Command{
		Use:   "provision DEVICE --jid JID",
		Short: "Give a device its account at an XMPP server",
		Long: `provision hands a device that you have paired with an account of its own, over the encrypted session. The
device tries to log in; only if that works it keeps the account, and logs in with it from then on. Else
nothing changes. It asks for the password of the account (without showing it), or reads it from stdin.

Only the device's admin, who was the first to pair with it, can do this, and only if its configuration
has no account. DEVICE goes on meaning the device, under its new address too. To reach it from elsewhere
you need an account yourself: xtlsctl login JID, before this or later; then provision the device again.

--ca-file is read here; the device gets the certificates in it.`,
		Example: `  xtlsctl provision lamp --jid lamp@home.example
  xtlsctl provision lamp --jid lamp@home.example --server 192.168.1.2:5222 --ca-file ca.pem --password-stdin < password`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: p.completeDevices,
		RunE: func(cmd *cobra.Command, args []string) error {
			if address == "" {
				return cli.Usagef("say which account the device gets, with --jid")
			}
			if _, err := client.NewDeviceAccount(address, "-", server, caFile); err != nil { // before a password is typed
				return err
			}
			password, err := p.devicePassword(cmd.Context(), address, passwordStdin)
			if err != nil {
				return err
			}
			account, err := client.NewDeviceAccount(address, password, server, caFile)
			if err != nil {
				return err
			}
			return p.provision(cmd.Context(), args[0], account)
		},
	}
	c.Flags().StringVar(&address, "jid", "", "the account that the device gets, as box@home.example")
	c.Flags().StringVar(&server, "server", "", "the account's server, host:port as the device reaches it, in place of its DNS records")
	c.Flags().StringVar(&caFile, "ca-file", "", "PEM file with the CA of the server's certificate (default: the device's own list)")
	c.Flags().BoolVar(&passwordStdin, "password-stdin", false, "read the account's password from stdin, even if that is a terminal")
	return c
}

func (p *program) devicePassword(ctx context.Context, account string, stdin bool) (string, error) {
	if stdin {
		return cli.ReadLine(ctx, bufio.NewReader(p.std.In))
	}
	return p.password(ctx, account)
}

func (p *program) provision(ctx context.Context, device string, account owner.Account) error {
	c, t, err := p.target(device)
	if err != nil {
		return err
	}
	steps := newProgress(p.std.Err)
	done, err := c.Provision(ctx, client.ProvisionRequest{Target: t, Account: account, Progress: steps.show})
	steps.end()
	if err != nil {
		return err
	}
	p.tellNotMet(done.NotMet)
	if p.json {
		return p.printJSON(map[string]any{"jid": done.JID.String(), "name": done.Name, "met": done.NotMet == nil})
	}
	if done.Name == "" {
		printf(p.std.Out, "the device logs in as %s\n", done.JID)
	} else {
		printf(p.std.Out, "%s logs in as %s\n", cli.OneLine(done.Name), done.JID)
	}
	return nil
}

// tellNotMet says what is missing where the device has its account and cannot be reached by it yet.
func (p *program) tellNotMet(why error) {
	switch {
	case why == nil:
	case errors.Is(why, client.ErrNoAccount):
		printf(p.std.Err, "note: you have no account, so you reach the device on its local network only: "+
			"xtlsctl login JID, then provision it again\n")
	default:
		said, _ := meaning(why)
		printf(p.std.Err, "note: the device was not reached over the server yet: %s: provision it again to change that\n", cli.OneLine(plain(said)))
	}
}
