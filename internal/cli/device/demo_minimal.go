//go:build minimal

package device

import (
	"github.com/spf13/cobra"

	"xtls-agent/internal/cli"
)

// demoCommand says that there is none: an owner lives in the demo, and nowhere else on a device.
func demoCommand(cli.Streams) *cobra.Command {
	return &cobra.Command{
		Use: "demo", Hidden: true, DisableFlagParsing: true,
		RunE: func(*cobra.Command, []string) error {
			return cli.Usagef("this build has no demo: it was made with the tag minimal")
		},
	}
}
