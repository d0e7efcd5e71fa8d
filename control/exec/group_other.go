//go:build !linux

package exec

import (
	"context"
	"errors"
	"os/exec"
	"time"
)

// errPlatform: what this package promises about process groups and descriptors it can only
// keep on Linux, so elsewhere it runs nothing.
var errPlatform = errors.New("programs can be run on Linux only")

func runGroup(context.Context, *exec.Cmd, identity, time.Duration) (bool, error) {
	return false, errPlatform
}

func exists(string) (identity, error) { return identity{}, errPlatform }

func lookup(string) (identity, error) { return identity{}, errPlatform }
