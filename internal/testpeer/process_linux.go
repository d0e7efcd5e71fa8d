package testpeer

import "syscall"

// dieWithParent ends a peer also when the test binary ends without its cleanups, as after a panic or a time-out.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
