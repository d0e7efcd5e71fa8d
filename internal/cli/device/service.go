package device

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"

	"xtls-agent/agent"
	"xtls-agent/internal/cli"
)

// unit is the agent's unit of systemd, as the package installs it.
const unit = "xtls-agent"

// service is the agent as a service of systemd. The zero service is none.
type service struct {
	// run is systemctl; nil if there is none.
	run func(ctx context.Context, args ...string) error
}

// serviceOf is the service that has the configuration: the package's unit has the usual one.
func serviceOf(config string) service {
	if _, err := exec.LookPath("systemctl"); err != nil || config != agent.DefaultConfigFile {
		return service{}
	}
	return service{run: systemctl}
}

func systemctl(ctx context.Context, args ...string) error {
	var said bytes.Buffer
	c := exec.CommandContext(ctx, "systemctl", args...)
	c.Stderr = &said
	if err := c.Run(); err != nil {
		return fmt.Errorf("systemctl %s: %w: %.300s", args[0], err, cli.OneLine(said.String()))
	}
	return nil
}

func (s service) ctl(ctx context.Context, args ...string) error { return s.run(ctx, args...) }

// known reports whether there is such a unit, and active whether it runs.
func (s service) known(ctx context.Context) bool {
	return s.run != nil && s.run(ctx, "cat", unit) == nil
}

func (s service) active(ctx context.Context) bool {
	return s.run != nil && s.run(ctx, "is-active", "--quiet", unit) == nil
}
