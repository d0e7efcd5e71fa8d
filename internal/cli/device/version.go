package device

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"xtls-agent/internal/cli"
)

func versionCommand(std cli.Streams, asJSON *bool) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if *asJSON {
				return json.NewEncoder(std.Out).Encode(map[string]string{"version": cli.Version()})
			}
			_, err := fmt.Fprintln(std.Out, "xtls-agent", cli.Version())
			return err
		},
	}
}
