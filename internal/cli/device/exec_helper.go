package device

import (
	"net"
	"os"

	"github.com/spf13/cobra"

	"xtls-agent/agent"
	"xtls-agent/internal/cli"
)

func execHelperCommand(config *string) *cobra.Command {
	var user string
	c := &cobra.Command{
		Use:   "exec-helper",
		Short: "Run one program for the agent, as systemd starts it",
		Long: `exec-helper runs one program of the configuration for an agent that was started with --exec-socket. systemd
starts it for each connection to that socket, which is its standard input. The agent names the command and the
values of its fields; what runs, and as whom, the configuration says, which nobody but root may be able to write.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			conn, err := net.FileConn(os.Stdin)
			if err != nil {
				return cli.Usagef("systemd starts this: standard input is no socket (see xtls-agent-exec.socket)")
			}
			defer conn.Close()
			return agent.ServeExec(cmd.Context(), *config, conn, user)
		},
	}
	c.Flags().StringVar(&user, "user", "", "whom programs run as whose command names no user (default: this process's own)")
	return c
}
