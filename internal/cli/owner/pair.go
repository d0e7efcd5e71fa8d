package owner

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"xtls-agent/client"
	"xtls-agent/internal/cli"
	"xtls-agent/owner"
)

func (p *program) pairCommand() *cobra.Command {
	var name string
	var pinStdin bool
	c := &cobra.Command{
		Use:   "pair DEVICE",
		Short: "Pair with a device by the PIN on its display",
		Long: `pair asks for the PIN once the device has agreed to pair: it is on the device's display. If the device
shows none, press its button. The PIN proves each side to the other and is never sent; a wrong one
costs that PIN, and the device shows a new one.

At the end both sides show the same 6 digits, for those who want to compare.`,
		Example: `  xtlsctl pair lan:192.168.1.20 --name lamp
  xtlsctl pair box@home.example
  xtlsctl pair 'xmpp:box@home.example?xtls-pair;pin=31415926'
  echo 3141 5926 | xtlsctl pair lan:box.local --pin-stdin`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: p.completeDevices,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.pair(cmd.Context(), args[0], name, pinStdin)
		},
	}
	c.Flags().StringVar(&name, "name", "", "how you will call the device")
	c.Flags().BoolVar(&pinStdin, "pin-stdin", false, "read the PIN from stdin, even if that is no terminal")
	return c
}

func (p *program) pair(ctx context.Context, device, name string, pinStdin bool) error {
	c, t, err := p.target(device)
	if errors.Is(err, client.ErrUnknownName) {
		return cli.Usagef("%.100q is no address: give the device's JID, lan:HOST, or the URI of its QR code", device)
	}
	if err != nil {
		return err
	}
	steps := newProgress(p.std.Err)
	pin, err := p.pinSource(t, pinStdin, steps)
	if err != nil {
		return err
	}
	pairing, err := c.Pair(ctx, client.PairRequest{Target: t, Name: name, PIN: pin, Progress: func(s owner.Step) { steps.show(string(s)) }})
	steps.end()
	if err != nil {
		p.warnOfGuessing(err)
		p.noteKnown(c, t, err)
		return err
	}
	defer pairing.Session.Close()
	if _, err := pairing.Session.Commands(ctx); err != nil { // for completion
		c.Note("asking for the commands", err)
	}
	if pairing.NotOnServer != nil {
		why, _ := meaning(pairing.NotOnServer)
		printf(p.std.Err, "note: for now the device can be reached on its local network only: %s: pair again to change that\n", oneLine(plain(why)))
	}
	return p.tellPaired(pairing, name)
}

// warnOfGuessing: a fixed PIN, on a label, stays the same, so who knows it tries it again. That it keeps
// being refused may mean that somebody else answers in the device's place (DESIGN §4).
func (p *program) warnOfGuessing(err error) {
	var wrong *client.WrongPINError
	if errors.As(err, &wrong) && wrong.Many {
		printf(p.std.Err, "warning: this device has refused several PINs in a row: if you type what its label says, somebody may be guessing it in the device's place: stop, and look at the device\n")
	}
}

// noteKnown: a device that will not pair may know this client already, say when the power went just before a pairing was told to
// be one.
func (p *program) noteKnown(c *client.Client, t client.Target, err error) {
	if !errors.Is(err, owner.ErrNotPairing) && !errors.Is(err, owner.ErrRefused) && !errors.Is(err, owner.ErrUnreachable) {
		return
	}
	for _, d := range c.Devices() {
		if d.JID.Bare().Equal(t.JID.Bare()) || t.Addr != "" && d.Addr == t.Addr {
			printf(p.std.Err, "note: this client has paired with %s before: see whether it still has, with: xtlsctl commands %s\n", oneLine(title(d.Device)), t.Text)
			return
		}
	}
}

func (p *program) tellPaired(pairing *client.Pairing, name string) error {
	d := pairing.Session.Device()
	if p.json {
		return p.printJSON(map[string]string{
			"jid": d.JID.String(), "name": d.Name, "fingerprint": d.Fingerprint.String(),
			"code": pairing.Code, "via": pairing.Session.Via,
		})
	}
	printf(p.std.Out, "paired with %s\n", title(d))
	printf(p.std.Out, "both sides show %s %s, for those who want to compare\n", pairing.Code[:3], pairing.Code[3:])
	if name != "" && d.Name != name {
		printf(p.std.Err, "note: the device keeps its name of before, %q\n", d.Name)
	}
	return nil
}

// title is how a device is called in a sentence.
func title(d owner.Device) string {
	if d.Name != "" {
		return fmt.Sprintf("%s (%s)", d.Name, d.JID)
	}
	return d.JID.String()
}

// pinSource decides where the PIN comes from. It is asked once, when the device has agreed to pair.
func (p *program) pinSource(t client.Target, pinStdin bool, steps *progress) (func(context.Context) (owner.PIN, error), error) {
	_, interactive := terminal(p.std.In)
	in := bufio.NewReader(p.std.In)
	switch {
	case !t.PIN.IsZero() && pinStdin:
		return nil, cli.Usagef("the URI holds the PIN already: leave out --pin-stdin")
	case !t.PIN.IsZero():
		return func(context.Context) (owner.PIN, error) { return t.PIN, nil }, nil
	case pinStdin:
		return func(ctx context.Context) (owner.PIN, error) {
			text, err := readLine(ctx, in)
			if err != nil {
				return owner.PIN{}, err
			}
			return parsePIN(text)
		}, nil
	case !interactive:
		return nil, cli.Usagef("nobody can be asked for the PIN, since stdin is no terminal: give it with --pin-stdin")
	}
	return func(ctx context.Context) (owner.PIN, error) { return askPIN(ctx, in, p.std.Err, steps) }, nil
}

func parsePIN(text string) (owner.PIN, error) {
	pin, err := owner.ParsePIN(text)
	if err != nil {
		return pin, &cli.UsageError{Err: err}
	}
	return pin, nil
}

// askPIN asks until what is typed can be a PIN: a slip of the finger costs none. It is shown while it is
// typed, since it stands on a display in the same room.
func askPIN(ctx context.Context, in *bufio.Reader, out io.Writer, steps *progress) (owner.PIN, error) {
	steps.end()
	for {
		printf(out, "PIN on the device's display: ")
		text, err := readLine(ctx, in)
		if err != nil {
			printf(out, "\n")
			return owner.PIN{}, err
		}
		pin, err := owner.ParsePIN(text)
		if err == nil {
			return pin, nil
		}
		printf(out, "%s\n", plain(err.Error()))
	}
}
