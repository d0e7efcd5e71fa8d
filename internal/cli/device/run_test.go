package device

import (
	"os"
	"strconv"
	"testing"
	"time"
)

func TestWatchdog(t *testing.T) {
	me := strconv.Itoa(os.Getpid())
	for _, c := range []struct {
		usec, pid string
		want      time.Duration
	}{
		{"", "", 0},
		{"60000000", "", time.Minute},
		{"60000000", me, time.Minute},
		{"60000000", "1", 0}, // somebody else's
		{"-1", me, 0},
		{"99999999999999999999", me, 0},
		{"soon", me, 0},
	} {
		t.Setenv("WATCHDOG_USEC", c.usec)
		t.Setenv("WATCHDOG_PID", c.pid)
		if got := watchdog(); got != c.want {
			t.Errorf("%q of %q: %v, want %v", c.usec, c.pid, got, c.want)
		}
	}
}
