package client

import (
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// readUptime is the kernel's [uptime].
func readUptime() (start string, up time.Duration) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	var ts unix.Timespec
	if err != nil || unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) != nil {
		return "", 0
	}
	return strings.TrimSpace(string(id)), time.Duration(ts.Nano())
}
