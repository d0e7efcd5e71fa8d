//go:build !linux

package c2s

import "time"

// setUnsentTimeout does nothing: the deadline of acknowledgements has to do.
func setUnsentTimeout(uintptr, time.Duration) {}
