package owner

import (
	"bufio"
	"context"

	"github.com/spf13/cobra"

	"xtls-agent/client"
	"xtls-agent/internal/cli"
)

func (p *program) loginCommand() *cobra.Command {
	var server, caFile, link string
	c := &cobra.Command{
		Use:   "login JID",
		Short: "Keep an account at an XMPP server, to reach devices from anywhere",
		Long: `login asks for the account's password (without showing it), or reads it from stdin if that is
no terminal. It logs in once; only if that works the account is kept, in a file that only you can read.

The server is found by DNS, and its certificate must verify; --server and --ca-file are for servers
that have no DNS records or a certificate of their own CA.`,
		Example: `  xtlsctl login romeo@home.example
  xtlsctl login romeo@home.example --server 192.168.1.2:5222 --ca-file ca.pem < password`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := client.NewAccount(args[0], "-", server, caFile, link); err != nil { // before a password is typed
				return err
			}
			password, err := p.password(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			account, err := client.NewAccount(args[0], password, server, caFile, link)
			if err != nil {
				return err
			}
			return p.login(cmd.Context(), account)
		},
	}
	c.Flags().StringVar(&server, "server", "", "the server, host:port, in place of its DNS records")
	c.Flags().StringVar(&caFile, "ca-file", "", "PEM file with the CA of the server's certificate (default: the system's)")
	c.Flags().StringVar(&link, "link", client.LinkGoXMPP, "how to talk to the server: go-xmpp or c2s")
	return c
}

func (p *program) login(ctx context.Context, a *client.Account) error {
	c, err := p.open()
	if err != nil {
		return err
	}
	if err := c.Login(ctx, a); err != nil {
		return err
	}
	if p.json {
		return p.printJSON(map[string]string{"jid": a.JID.String()})
	}
	printf(p.std.Out, "logged in as %s\n", a.JID)
	return nil
}

func (p *program) password(ctx context.Context, account string) (string, error) {
	fd, ok := cli.Terminal(p.std.In)
	if !ok {
		return cli.ReadLine(ctx, bufio.NewReader(p.std.In))
	}
	return cli.ReadPassword(ctx, fd, p.std.In, p.std.Err, "password of "+account+": ")
}

func (p *program) logoutCommand() *cobra.Command {
	return &cobra.Command{
		Use: "logout", Short: "Forget the account; pairings stay", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			c, err := p.open()
			if err != nil {
				return err
			}
			if err := c.Logout(); err != nil {
				return err
			}
			if p.json {
				return p.printJSON(struct{}{})
			}
			printf(p.std.Out, "logged out\n")
			return nil
		},
	}
}
