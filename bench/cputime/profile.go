package cputime

import (
	"os"
	"runtime/pprof"
)

// ProfileVariable is what an environment calls the file that a profile goes to.
const ProfileVariable = "BENCH_CPUPROFILE"

// profile starts the profiler if the environment asks for it. stop ends it.
func profile() (stop func() error, err error) {
	path := os.Getenv(ProfileVariable)
	if path == "" {
		return func() error { return nil }, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	return func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}, nil
}
