// Package rows is what xtls-agent is compared with HomeKit in: a pairing, a command, memory, the size of the program, its start.
// The other side is a switch on brutella/hap, as its README has it.
//
// Both devices run as programs of their own, in a network where there is nobody else; both announce themselves there by multicast DNS.
package rows

import (
	"path/filepath"
	"strings"

	"xtls-agent/bench/homekit/lonely"
	"xtls-agent/bench/program"
	"xtls-agent/bench/row"
)

// Rows returns the rows, in the order of the table.
func Rows() []row.Row {
	return []row.Row{
		pairingOnLAN(), pairingThroughProsody(), commandOnLAN(), allocations(), memory(),
		binary("minimal", 1, "minimal"), binary("packaged", 1.3), startARM(),
	}
}

// The programs.
const (
	accessoryProgram = "xtls-agent/bench/homekit/accessory"
	lampProgram      = "xtls-agent/bench/homekit/lamp"
	agentProgram     = "xtls-agent/cmd/xtls-agent"
)

// built builds a program as it is packaged, static and stripped. What has not changed since is not built again.
func built(t *row.T, name, pkg string, env []string, tags ...string) string {
	path, err := filepath.Abs(filepath.Join("..", "bin", "bench", name))
	if err != nil {
		t.Fatal(err)
	}
	b := program.Build{To: path, Env: env, Flags: []string{"-ldflags=-s -w", "-tags=" + strings.Join(tags, ",")}}
	if pkg == agentProgram {
		b.Dir = ".." // with the modules that it requires itself
	}
	return program.Go(t, pkg, b)
}

// newNetwork makes a network for a row.
func newNetwork(t *row.T) *lonely.Network {
	network, err := lonely.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = network.Close() })
	return network
}
