package owner

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"xtls-agent/client"
	"xtls-agent/internal/cli"
)

func (p *program) printJSON(v any) error {
	enc := json.NewEncoder(p.std.Out)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// table prints rows in columns. The last cells of a row may be empty.
func (p *program) table(rows [][]string) error {
	var text strings.Builder
	t := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		for i, cell := range row {
			if i > 0 {
				fmt.Fprint(t, "\t")
			}
			fmt.Fprint(t, cli.OneLine(cell))
		}
		fmt.Fprintln(t)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(text.String()) {
		if _, err := fmt.Fprintln(p.std.Out, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

// deviceJSON is a device in JSON.
type deviceJSON struct {
	JID         string `json:"jid"`
	Name        string `json:"name"`
	Fingerprint string `json:"fingerprint"`
	State       string `json:"state"` // confirmed, or provisional: pairing was not finished
	Address     string `json:"address,omitempty"`
	As          string `json:"as,omitempty"`
}

func (p *program) devicesCommand() *cobra.Command {
	return &cobra.Command{
		Use: "devices", Short: "List the devices that you have paired with", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			c, err := p.open()
			if err != nil {
				return err
			}
			return p.listDevices(c.Devices())
		},
	}
}

func (p *program) listDevices(devices []client.Device) error {
	if p.json {
		out := []deviceJSON{}
		for _, d := range devices {
			out = append(out, deviceJSON{d.JID.String(), d.Name, d.Fingerprint.String(), string(d.State), d.Addr, d.As})
		}
		return p.printJSON(out)
	}
	if len(devices) == 0 {
		printf(p.std.Err, "no devices yet: pair with one: xtlsctl pair DEVICE\n")
		return nil
	}
	rows := [][]string{{"NAME", "JID", "FINGERPRINT", "LAN ADDRESS", "STATE"}}
	for _, d := range devices {
		rows = append(rows, []string{d.Name, d.JID.String(), d.Fingerprint.String()[:16], d.Addr, string(d.State)})
	}
	return p.table(rows)
}

func (p *program) forgetCommand() *cobra.Command {
	return &cobra.Command{
		Use: "forget DEVICE", Short: "End a pairing, here and on the device",
		Long: `forget removes the device here. If the device can be reached it is first asked to remove this client
too; the admin of a device, and its last owner, can be removed only at the device itself.`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: p.completeDevices,
		RunE: func(cmd *cobra.Command, args []string) error { return p.forget(cmd.Context(), args[0]) },
	}
}

func (p *program) forget(ctx context.Context, device string) error {
	c, t, err := p.target(device)
	if err != nil {
		return err
	}
	done, err := c.Forget(ctx, t)
	if err != nil {
		return err
	}
	if p.json {
		out := map[string]any{"jid": done.Devices[0].JID.String(), "removed_there": done.Asked == nil}
		if done.Asked != nil {
			out["why_not"], _ = meaning(done.Asked)
		}
		return p.printJSON(out)
	}
	printf(p.std.Out, "forgot %s\n", title(done.Devices[0]))
	if done.Asked != nil {
		why, _ := meaning(done.Asked)
		printf(p.std.Err, "note: the device may still list this client as an owner: %s\n", cli.OneLine(why))
	}
	return nil
}
