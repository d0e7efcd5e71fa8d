package row

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
)

// T lets the peers of our tests, which take a testing.TB, run in a program. Whatever fails ends the row and not the program.
type T struct {
	testing.TB // nil; what is not below is not called by any of them

	name     string
	ctx      context.Context
	mu       sync.Mutex // guards what follows
	err      error
	cleanups []func()
}

// errStopped ends the goroutine of a row that has failed.
var errStopped = errors.New("row: stopped")

// Play runs what is no row, but needs the peers of our tests, as one that is called name.
func Play(name string, play func(t *T)) error { return onStage(name, play) }

// onStage runs a row, then what it has left to clean up, and returns why it failed.
func onStage(name string, play func(t *T)) error {
	ctx, cancel := context.WithCancel(context.Background())
	t := &T{name: name, ctx: ctx}
	done := make(chan struct{})
	go func() { // FailNow ends a goroutine
		defer close(done)
		play(t)
	}()
	<-done
	cancel()
	t.cleanUp()
	return t.err
}

func (t *T) cleanUp() {
	for {
		t.mu.Lock()
		n := len(t.cleanups)
		if n == 0 {
			t.mu.Unlock()
			return
		}
		last := t.cleanups[n-1]
		t.cleanups = slices.Delete(t.cleanups, n-1, n)
		t.mu.Unlock()
		done := make(chan struct{})
		go func() { defer close(done); last() }()
		<-done
	}
}

// Name returns the name of the row.
func (t *T) Name() string { return t.name }

// Context ends with the row.
func (t *T) Context() context.Context { return t.ctx }

// Helper does nothing: errors here do not name lines.
func (t *T) Helper() {}

// Cleanup runs f when the row has ended, the last first.
func (t *T) Cleanup(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cleanups = append(t.cleanups, f)
}

// TempDir makes a folder that goes with the row.
func (t *T) TempDir() string {
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// Failed tells whether the row has failed.
func (t *T) Failed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err != nil
}

// Log prints, as errors do, to standard error.
func (t *T) Log(args ...any) { fmt.Fprintln(os.Stderr, args...) }

// Logf is Log with a format.
func (t *T) Logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// Error fails the row and goes on.
func (t *T) Error(args ...any) { t.fault(errors.New(fmt.Sprint(args...))) }

// Errorf is Error with a format.
func (t *T) Errorf(format string, args ...any) { t.fault(fmt.Errorf(format, args...)) }

// Fatal fails the row and ends it.
func (t *T) Fatal(args ...any) { t.fail(errors.New(fmt.Sprint(args...))) }

// Fatalf is Fatal with a format.
func (t *T) Fatalf(format string, args ...any) { t.fail(fmt.Errorf(format, args...)) }

// FailNow ends a row that has failed.
func (t *T) FailNow() { t.fail(errStopped) }

func (t *T) fault(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.err = errors.Join(t.err, err)
}

func (t *T) fail(err error) {
	t.fault(err)
	runtime.Goexit()
}
