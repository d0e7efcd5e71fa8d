package owner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"xtls-agent/client"
	"xtls-agent/internal/cli"
	"xtls-agent/owner"
)

func (p *program) watchCommand() *cobra.Command {
	return &cobra.Command{
		Use: "watch DEVICE", Short: "Print the states of what a device controls, as they change",
		Long: `watch prints how it stands with the device, the state of each command that has one, and then each change, as the
device tells it. It stays: when the line breaks, or the device or its server goes down, it says "reconnecting…",
or "offline" if the device is not there, and goes on by whatever way leads to the device, for days. A device that is
not there at first is waited for.

A line is "connected", "reconnecting…", "offline (WHY)", or "COMMAND: STATE". With --json each is an object, with
the time: {"time":…,"device":"connected"}, {"time":…,"name":"lamp","state":"on"}. Each is told once: after a
reconnection only what has changed meanwhile.

It ends at Ctrl-C, at SIGTERM or at --timeout: exit code 0, or 5 if the device was never reached. It ends by itself
where a person has to do something first: the device does not know this client any more (6) or is another one (1),
the account's password is refused (2).`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: p.completeDevices,
		RunE: func(cmd *cobra.Command, args []string) error { return p.watch(cmd.Context(), args[0]) },
	}
}

func (p *program) watch(ctx context.Context, device string) error {
	p.news.tell(p.std.Err)
	c, t, err := p.target(device)
	if err != nil {
		return err
	}
	f := c.Follow(client.FollowRequest{Target: t, Await: true})
	defer f.Close()
	reached := false
	for e := range f.Watch(ctx) {
		reached = reached || e.Standing == owner.Connected
		if err := p.printEvent(e); err != nil {
			return err
		}
	}
	switch {
	case ctx.Err() == nil:
		return f.Err()
	case !reached && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("the device was not reached in time: %w", owner.ErrUnreachable)
	}
	return nil // that is how it ends
}

// eventJSON is an event in JSON: how it stands with the device, or the state of a command.
type eventJSON struct {
	Time   time.Time `json:"time"`
	Device string    `json:"device,omitempty"`
	Why    string    `json:"why,omitempty"`
	*commandJSON
}

func (p *program) printEvent(e owner.Event) error {
	switch {
	case e.Standing == owner.Over: // said at the end
		return nil
	case p.json:
		return p.printJSON(newEventJSON(e))
	}
	var err error
	switch e.Standing {
	case "":
		_, err = fmt.Fprintf(p.std.Out, "%s: %s\n", e.Command, cli.OneLine(e.State.String()))
	case owner.Reconnecting:
		_, err = fmt.Fprintln(p.std.Out, "reconnecting…")
	case owner.Offline:
		_, err = fmt.Fprintf(p.std.Out, "offline (%s)\n", whyOf(e))
	default:
		_, err = fmt.Fprintln(p.std.Out, e.Standing)
	}
	return err
}

func newEventJSON(e owner.Event) eventJSON {
	if e.Standing == "" {
		return eventJSON{Time: e.Time, commandJSON: &commandJSON{Name: e.Command, State: e.Word, Motion: e.Motion, Unknown: e.Unknown}}
	}
	return eventJSON{Time: e.Time, Device: string(e.Standing), Why: whyOf(e)}
}

// whyOf is why the device is not connected, in a line.
func whyOf(e owner.Event) string {
	if e.Err == nil {
		return ""
	}
	said, _ := meaning(e.Err)
	return cli.OneLine(plain(said))
}
