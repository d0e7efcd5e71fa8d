package c2s

import (
	"time"

	"golang.org/x/sys/unix"
)

// setUnsentTimeout sets TCP_USER_TIMEOUT (RFC 5482). A kernel without it keeps its own, of a quarter of an hour.
func setUnsentTimeout(fd uintptr, d time.Duration) {
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(d.Milliseconds()))
}
