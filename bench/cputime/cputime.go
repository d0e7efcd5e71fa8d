// Package cputime tells how long the processors have worked for this process: what others do on a shared machine does not count.
package cputime

import (
	"errors"
	"syscall"
	"time"
)

// Of runs f and returns the time that all threads of the process have had meanwhile, the garbage collector's included, in user and in
// kernel mode. If the environment asks for a profile, it is one of f.
func Of(f func() error) (time.Duration, error) {
	stop, err := profile()
	if err != nil {
		return 0, err
	}
	start, err := used()
	if err != nil {
		return 0, err
	}
	if err := f(); err != nil {
		return 0, err
	}
	end, err := used()
	return end - start, errors.Join(err, stop())
}

func used() (time.Duration, error) {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0, err
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano()), nil
}
