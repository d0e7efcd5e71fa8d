package c2s

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// What is not acknowledged by the other side's TCP ends the connection within half a minute, not after a quarter of an hour.
func TestUnsentTimeout(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := newDialer().DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		if got, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT); err != nil || got != 30_000 {
			t.Errorf("%d ms, %v", got, err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}
