//go:build !linux

package testpeer

import "syscall"

// dieWithParent has no counterpart here: a peer outlives a test binary that panics.
func dieWithParent() *syscall.SysProcAttr { return nil }
