package goxmpp

import (
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// Another user of the machine must not take the library's place.
func TestRelayRefusesOtherUsers(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	r, err := newRelay(near, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer r.wait()
	defer r.kill(net.ErrClosed)
	if os.Getuid() == 0 { // else nobody else can be had
		_, port, err := net.SplitHostPort(r.addr())
		if err != nil {
			t.Fatal(err)
		}
		// It waits until it is cut off.
		intruder := exec.Command("bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/"+port+"; read -r -t 5 line <&3; exit 0")
		intruder.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		start := time.Now()
		if out, err := intruder.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if time.Since(start) > 4*time.Second {
			t.Error("another user's connection was taken")
		}
	}
	conn, err := net.Dial("tcp", r.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	select {
	case <-r.accepted:
	case <-time.After(5 * time.Second):
		t.Error("our own connection is refused")
	}
}
