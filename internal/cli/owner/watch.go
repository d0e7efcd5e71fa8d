package owner

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"xtls-agent/internal/cli"
	"xtls-agent/owner"
)

func (p *program) watchCommand() *cobra.Command {
	return &cobra.Command{
		Use: "watch DEVICE", Short: "Print the states of what a device controls, as they change",
		Long: `watch prints the state of each command that has one, and then each change, as the device tells it: a line
each, or with --json an object each. It ends at Ctrl-C, or when the session ends, which is exit code 5.`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: p.completeDevices,
		RunE: func(cmd *cobra.Command, args []string) error { return p.watch(cmd.Context(), args[0]) },
	}
}

func (p *program) watch(ctx context.Context, device string) error {
	s, err := p.session(ctx, device)
	if err != nil {
		return err
	}
	defer s.Close()
	for r := range s.Watch(ctx) {
		if err := p.printReport(r); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return nil // that is how it ends
	}
	return fmt.Errorf("the session has ended: %w", owner.ErrUnreachable)
}

func (p *program) printReport(r owner.Report) error {
	if p.json {
		return p.printJSON(commandJSON{Name: r.Command, State: r.Word, Motion: r.Motion, Unknown: r.Unknown})
	}
	_, err := fmt.Fprintf(p.std.Out, "%s: %s\n", r.Command, cli.OneLine(r.State.String()))
	return err
}
