package owner

import (
	"slices"

	"github.com/spf13/cobra"

	"xtls-agent/client"
)

// Completion asks no device: it knows what the folder knows, and makes nothing.

func (p *program) known() []client.Device {
	c, err := client.OpenExisting(p.config())
	if err != nil {
		return nil
	}
	return c.Devices()
}

// completeDevices completes DEVICE.
func (p *program) completeDevices(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var out []cobra.Completion
	for _, d := range p.known() {
		if d.Name != "" {
			out = append(out, cobra.CompletionWithDesc(d.Name, d.JID.String()))
		} else {
			out = append(out, d.JID.String())
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

// completeCall completes DEVICE and COMMAND.
func (p *program) completeCall(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return p.completeDevices(cmd, args, typed)
	}
	var out []cobra.Completion
	for _, d := range p.known() {
		if len(args) == 1 && slices.Contains([]string{d.Name, d.JID.String()}, args[0]) {
			out = append(out, d.Commands...)
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}
