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
		Short: "Pair with a device by the PIN on its display, or typed on its remote control",
		Long: `pair asks for the PIN once the device has agreed to pair: it is on the device's display. If the device
shows none, press its button. The PIN proves each side to the other and is never sent; a wrong one
costs that PIN, and the device shows a new one.

Some devices have it the other way round: then pair shows a PIN, to be typed on the device's remote
control or keyboard, and OK after it. There is a new one each time. With --json it is a line of its own
on stdout, before the result.

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
	r := client.PairRequest{Target: t, Name: name, Progress: func(s owner.Step) { steps.show(string(s)) }}
	if err := p.pinFrom(&r, pinStdin, steps); err != nil {
		return err
	}
	pairing, err := c.Pair(ctx, r)
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
		printf(p.std.Err, "note: for now the device can be reached on its local network only: %s: pair again to change that\n", cli.OneLine(plain(why)))
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
			printf(p.std.Err, "note: this client has paired with %s before: see whether it still has, with: xtlsctl commands %s\n", cli.OneLine(title(d.Device)), t.Text)
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

// pinFrom decides where the PIN comes from. It is asked for, or shown, once, when the device has agreed to pair and has said which.
func (p *program) pinFrom(r *client.PairRequest, pinStdin bool, steps *progress) error {
	_, interactive := cli.Terminal(p.std.In)
	in := bufio.NewReader(p.std.In)
	known := r.Target.PIN
	r.Show = func(_ context.Context, pin owner.PIN) error { return p.showPIN(pin, steps) }
	switch {
	case !known.IsZero() && pinStdin:
		return cli.Usagef("the URI holds the PIN already: leave out --pin-stdin")
	case !known.IsZero():
		r.PIN = func(context.Context) (owner.PIN, error) { return known, nil }
		r.Show = notShown("give its address without a PIN")
	case pinStdin:
		r.PIN = func(ctx context.Context) (owner.PIN, error) {
			text, err := cli.ReadLine(ctx, in)
			if err != nil {
				return owner.PIN{}, err
			}
			return parsePIN(text)
		}
		r.Show = notShown("leave out --pin-stdin")
	case interactive:
		r.PIN = func(ctx context.Context) (owner.PIN, error) { return askPIN(ctx, in, p.std.Err, steps) }
	default:
		r.PIN = func(context.Context) (owner.PIN, error) {
			return owner.PIN{}, cli.Usagef("nobody can be asked for the PIN, since stdin is no terminal: give it with --pin-stdin")
		}
	}
	return nil
}

// notShown refuses to show a PIN to somebody who has brought one.
func notShown(instead string) func(context.Context, owner.PIN) error {
	return func(context.Context, owner.PIN) error {
		return cli.Usagef("the PIN for this device is shown here, and typed on the device: %s", instead)
	}
}

// showPIN shows the PIN that a person types on the device.
func (p *program) showPIN(pin owner.PIN, steps *progress) error {
	steps.end()
	bold, normal := "", ""
	if steps.live {
		bold, normal = "\x1b[1m", "\x1b[m" // ECMA-48 SGR
	}
	printf(p.std.Err, "\n    %s%s%s\n\ntype this PIN on the device's remote control, then OK\n", bold, pin.Grouped(), normal)
	if p.json {
		return p.printJSON(map[string]string{"pin": pin.Digits()})
	}
	return nil
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
		text, err := cli.ReadLine(ctx, in)
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
