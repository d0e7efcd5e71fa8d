//go:build !linux

package client

import "time"

// readUptime cannot tell: the time of day counts.
func readUptime() (start string, up time.Duration) { return "", 0 }
