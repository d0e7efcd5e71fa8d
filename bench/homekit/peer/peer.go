// Package peer starts the HomeKit accessory that the benchmark compares with.
package peer

import (
	"bufio"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"xtls-agent/bench/homekit"
	"xtls-agent/bench/homekit/allocs"
	"xtls-agent/bench/homekit/lonely"
	"xtls-agent/internal/testpeer"
)

// Name is what the accessory is built on.
const Name = "brutella/hap v0.0.35"

// The port and the setup code of every accessory: each has a network of its own.
const (
	Addr = "127.0.0.1:5199"
	Code = "00102003"
)

// An Accessory is one that runs.
type Accessory struct {
	Process *testpeer.Process
	Folder  string // where it keeps its files
	Network *lonely.Network

	answers *bufio.Reader
}

// Start runs an accessory in the network, with its files in folder, and returns when it takes connections. More may name the program,
// if it is one that another runs.
func Start(t testing.TB, network *lonely.Network, program, folder string, more ...string) *Accessory {
	t.Helper()
	a := &Accessory{Folder: folder, Network: network}
	err := network.Do(func() error {
		a.Process = testpeer.Start(t, testpeer.Spec{Path: program, Args: append(more, Addr, folder, Code), Grace: time.Second})
		a.Process.WaitListening(t, Addr)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	a.answers = bufio.NewReader(a.Process.Stdout())
	return a
}

// Dial connects to the accessory.
func (a *Accessory) Dial(t testing.TB) *homekit.Conn {
	t.Helper()
	var conn net.Conn
	err := a.Network.Do(func() (err error) {
		conn, err = net.Dial("tcp", Addr)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	c := homekit.NewConn(conn)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TypedCode is Code as a person types it, and as HomeKit hashes it.
func TypedCode() string { return Code[:3] + "-" + Code[3:5] + "-" + Code[5:] }

// Settle waits until an accessory that has just answered M4 of pair-verify reads encrypted frames: for a moment after its answer has left
// it takes what comes for plain text. It is not part of what is timed.
func Settle() { time.Sleep(50 * time.Millisecond) }

// Paired tells whether the accessory has stored a controller.
func (a *Accessory) Paired(t testing.TB) bool {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(a.Folder, "*.pairing"))
	if err != nil {
		t.Fatal(err)
	}
	return len(found) == 1
}

// MakeDurable syncs what the accessory has stored of its controller. It writes the file and does not sync it; a pairing that is timed
// until both stores are durable needs that done.
func (a *Accessory) MakeDurable(t testing.TB) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(a.Folder, "*.pairing"))
	if err != nil || len(found) != 1 {
		t.Fatalf("the accessory has stored %q, %v", found, err)
	}
	for _, path := range append(found, a.Folder) {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// Allocations asks the accessory how often it has allocated.
func (a *Accessory) Allocations(t testing.TB) uint64 {
	t.Helper()
	n, err := allocs.Ask(a.Process.Stdin, a.answers)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
