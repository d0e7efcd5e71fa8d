package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime/pprof"
	"strings"
	"syscall"
	"time"
)

// residentBytes is how much memory of the machine this process has.
func residentBytes() int64 {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	var kib int64
	_, rest, _ := bytes.Cut(data, []byte("VmRSS:"))
	_, _ = fmt.Sscan(string(rest), &kib) // 0 where the kernel says nothing
	return kib << 10
}

// cpuTime is how long this process has run on a processor.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// allowFiles lets this process, and what it starts, have as many descriptors as the agents need: each has a connection, a socket of its
// own, and the kernel's news of the network.
func allowFiles(agents int) error {
	want := uint64(3*agents + 2000)
	var now syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &now); err != nil {
		return err
	}
	limit := syscall.Rlimit{Cur: max(want, now.Cur), Max: max(want, now.Max)}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("%d agents need %d files, and %d are allowed (raise it: ulimit -Hn): %w", agents, want, now.Max, err)
	}
	return nil
}

// writeHeap writes a profile of what is held, if it has a name.
func writeHeap(name string) error {
	if name == "" {
		return nil
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(pprof.WriteHeapProfile(f), f.Close())
}

// machineLoad is how busy the machine is with other things.
func machineLoad() string {
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(data), " ")
	return first
}
