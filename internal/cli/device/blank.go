package device

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"xtls-agent/agent"
	"xtls-agent/internal/cli"
)

func blankCommand(std cli.Streams, config *string) *cobra.Command {
	return &cobra.Command{
		Use:   "blank",
		Short: "Clear the displays and switch outputs to their safe values",
		Long: `blank clears every display of the configuration, and gives every output its initial value. The device
does so itself when it is told to end; blank is for after a crash, as systemd's ExecStopPost. It needs neither
network nor state, takes a minute at most, and does what it can: hardware that is missing is named, and is
exit code 1.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := agent.LoadConfig(*config)
			if err != nil {
				return &cli.UsageError{Err: err}
			}
			return agent.Blank(cmd.Context(), cfg, agent.Env{}, func(spec string, err error) {
				how := "done"
				if err != nil {
					why, _, _ := strings.Cut(err.Error(), "\n")
					how = "failed: " + why
				}
				fmt.Fprintf(std.Out, "%s: %s\n", spec, how)
			})
		},
	}
}
