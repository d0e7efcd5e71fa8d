package c2s

import (
	"context"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// An interface that comes up in a network of the test's own is announced, once for all that the kernel says about it.
func TestWatchTheKernel(t *testing.T) {
	n := new(Network)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	changed := n.Changed()
	up, ready, ended := make(chan struct{}), make(chan error, 1), make(chan error, 2)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends, and its network with it
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			ready <- err
			return
		}
		socket, err := openRoutes()
		if ready <- err; err != nil {
			return
		}
		go func() { ended <- n.listen(ctx, socket) }()
		<-up
		ended <- loopbackUp()
	}()
	if err := <-ready; err != nil {
		t.Fatalf("a network of the test's own needs root: %v", err)
	}
	select {
	case <-changed:
		t.Error("announced before anything happened")
	case <-time.After(100 * time.Millisecond):
	}
	close(up)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	select {
	case <-changed:
	case <-time.After(5 * time.Second):
		t.Error("not announced")
	}
	select {
	case <-n.Changed():
		t.Error("announced twice")
	case <-time.After(2 * settleTime):
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// loopbackUp switches the loopback interface of this thread's network on.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
}

func FuzzCameUp(f *testing.F) {
	f.Add([]byte{32, 0, 0, 0, unix.RTM_NEWLINK, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{16, 0, 0, 0, unix.RTM_DELADDR, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{17, 0, 0, 0, unix.RTM_NEWLINK, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		if cameUp(data) && len(data) < unix.SizeofNlMsghdr {
			t.Errorf("%x says that something came up", data)
		}
	})
}
