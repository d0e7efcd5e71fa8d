// Package lonely makes networks in which there is nobody else: what multicasts there is heard by nobody outside.
package lonely

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// A Network is a network namespace (network_namespaces(7)) with a loopback interface that multicasts, and no other. To make one takes root.
type Network struct{ file *os.File }

// New makes a network. Close forgets it; it goes when the last program in it has ended.
func New() (*Network, error) {
	n := new(Network)
	err := onThread(func() (err error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("making a network namespace, which takes root: %w", err)
		}
		if err := raiseLoopback(); err != nil {
			return err
		}
		n.file, err = os.Open(current)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("lonely: %w", err)
	}
	return n, nil
}

// Close forgets the network.
func (n *Network) Close() error { return n.file.Close() }

// Do calls do, on this goroutine, within the network: sockets that it opens and programs that it starts belong there. Other
// goroutines that do starts do not.
func (n *Network) Do(do func() error) error {
	return onThread(func() error {
		if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("lonely: entering the network: %w", err)
		}
		return do()
	})
}

// current is the namespace of the thread that reads it.
const current = "/proc/thread-self/ns/net"

// onThread calls do on a thread of its own and brings that back to where it was: a thread that ends takes with it the programs that it
// has started, if they are to die with their parent.
func onThread(do func() error) error {
	runtime.LockOSThread()
	home, err := os.Open(current)
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("lonely: %w", err)
	}
	defer func() {
		if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread() // else the thread is of no use to anybody, and ends with its goroutine
		}
		_ = home.Close()
	}()
	return do()
}

// raiseLoopback switches the loopback interface on.
func raiseLoopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("raising the loopback interface: %w", err)
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP | unix.IFF_LOOPBACK | unix.IFF_RUNNING | unix.IFF_MULTICAST)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request); err != nil {
		return fmt.Errorf("raising the loopback interface: %w", err)
	}
	return nil
}
