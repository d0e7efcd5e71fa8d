// Package testpeer starts the programs that the tests of this module talk to: TLS stacks and servers that nobody here
// wrote. Each peer has a file of its own.
//
// A peer listens on a free loopback port, its output is captured, it ends with the test that started it (by its
// process, never by its name), and a failed test logs what it said. A peer that is not installed fails the test with
// a hint; no test is skipped for it. `make peers` installs them all.
//
// It is for tests only and supports Linux.
package testpeer

import (
	"net"
	"os/exec"
	"strconv"
	"testing"
	"time"
)

// readyTimeout is what a peer may take to listen. They need well under a second; a loaded machine may need more.
const readyTimeout = 60 * time.Second

// lookPath finds a program, also where a user's PATH does not lead, or fails the test.
func lookPath(t testing.TB, name string) string {
	t.Helper()
	for _, candidate := range []string{name, "/usr/sbin/" + name, "/sbin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path
		}
	}
	t.Fatalf("testpeer: %s is not installed: run `make peers`", name)
	return ""
}

// FreePort returns a loopback TCP port that nobody listened on a moment ago, for peers that cannot let the kernel
// choose theirs.
func FreePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("testpeer: looking for a free port: %v", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// loopbackAddr is the address of a port on loopback, as net.Dial takes it.
func loopbackAddr(port int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

// portOf is the port of a host:port address, as programs take it on their command line.
func portOf(t testing.TB, addr string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatalf("testpeer: address %q: %v", addr, err)
	}
	return port
}
