// Package cputime tells how long the processors have worked for this process: what others do on a shared machine does not count.
package cputime

import (
	"syscall"
	"time"
)

// Used returns the time that all threads of the process have had, the garbage collector's included, in user and in kernel mode.
func Used() (time.Duration, error) {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0, err
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano()), nil
}
