package device

import (
	"context"

	"xtls-agent/agent"
	"xtls-agent/agent/setup"
	"xtls-agent/internal/cli"
)

// askAccount asks until an account works, or is taken all the same, or none is wanted.
func (t *talk) askAccount(ctx context.Context) error {
	question := "XMPP account of this device, as in box@example.org (Enter: none, it is on the LAN only):"
	if t.old.XMPP != nil {
		question = "XMPP account of this device (Enter: " + t.old.XMPP.JID.String() + ", as it is; none: it is on the LAN only):"
	}
	for {
		text, err := t.ask(ctx, question)
		switch {
		case err != nil:
			return err
		case text == "" && t.old.XMPP != nil:
			t.answers.Account = accountOf(t.old.XMPP)
			return nil
		case text == "" || text == "none":
			return nil
		}
		x := &agent.XMPPConfig{Server: t.server, CAFile: t.caFile}
		if err := x.JID.UnmarshalText([]byte(text)); err != nil {
			t.printf("%s\n", inWords(err))
			continue
		}
		if done, err := t.askPassword(ctx, x); done || err != nil {
			return err
		}
	}
}

// accountOf is an account as the configuration has it.
func accountOf(x *agent.XMPPConfig) *setup.Account {
	return &setup.Account{
		JID: x.JID.String(), PasswordFile: x.PasswordFile, Server: x.Server, CAFile: x.CAFile, Link: x.Link.String(),
	}
}

// askPassword asks for the password and logs in. It reports whether there is nothing more to ask.
func (t *talk) askPassword(ctx context.Context, x *agent.XMPPConfig) (done bool, err error) {
	password, err := t.secret(ctx, "Password of "+x.JID.String()+" (it is not shown):")
	if err != nil {
		return false, err
	}
	if password == "" {
		t.printf("An account needs a password.\n")
		return false, nil
	}
	t.printf("Logging in …\n")
	bound, err := t.login(ctx, x, password)
	if ctx.Err() != nil {
		return false, cli.ErrInterrupted
	}
	if err == nil {
		t.printf("It works: logged in as %s\n", bound)
		t.take(x, password)
		return true, nil
	}
	t.printf("It does not work: %s\n", inWords(err))
	if !agent.Refused(err) {
		t.printf("A server without DNS records is named by --server, the CA of its certificate by --ca-file.\n")
	}
	next, err := t.choose(ctx, "What now?", []string{
		"type account and password again", "keep them all the same: the server may be away", "no account: the LAN only",
	})
	if next == 1 {
		t.take(x, password)
	}
	return next > 0, err
}

func (t *talk) take(x *agent.XMPPConfig, password string) {
	x.PasswordFile = t.files.Password
	t.answers.Account = accountOf(x)
	t.password = password
}
