package agent

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"xtls-agent/trust"
)

// DESIGN §2: the local socket is for root, the agent's user and the group, whatever the file's mode says.
func TestLocalSocketIsForItsUsers(t *testing.T) {
	b := startBox(t, trust.NewMemStore(), "")
	info, err := os.Stat(filepath.Join(b.runDir, socketName))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm()&0o007 != 0 {
		t.Errorf("the socket's mode is %v", info.Mode())
	}
	if os.Geteuid() != 0 {
		t.Log("only root can play another user")
		return
	}
	// In the abstract namespace no mode keeps anybody away.
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: "@" + b.runDir, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	defer l.Close()
	_ = l.SetDeadline(time.Now().Add(5 * time.Second))
	dialled := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread, which alone changes its user, ends with this
		const nobody = 65534
		for _, change := range []uintptr{unix.SYS_SETRESGID, unix.SYS_SETRESUID} {
			if _, _, errno := unix.RawSyscall(change, nobody, nobody, nobody); errno != 0 {
				dialled <- errno
				return
			}
		}
		conn, err := net.Dial("unix", l.Addr().String())
		if err == nil {
			defer conn.Close()
			_, _ = conn.Read(make([]byte, 1)) // until the other side closes
		}
		dialled <- err
	}()
	conn, err := l.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	if who, err := localPeer(conn); !errors.Is(err, errNotAllowed) {
		t.Errorf("nobody came in as %q, %v", who, err)
	}
	_ = conn.Close()
	if err := <-dialled; err != nil {
		t.Fatal(err)
	}
}
