package button_test

import (
	"fmt"
	"io"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"xtls-agent/hw/button"
)

// terminal returns both ends of a pseudo terminal of the kernel's.
func terminal(t *testing.T) (keyboard *os.File, openTTY func() (io.ReadCloser, error)) {
	t.Helper()
	ptmx, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ptmx.Close() })
	fd := int(ptmx.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	return ptmx, func() (io.ReadCloser, error) {
		return os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDONLY|unix.O_NOCTTY, 0)
	}
}

// Close must end a Read that waits for a person at a terminal of the kernel's.
func TestKeyOnATerminal(t *testing.T) {
	keyboard, openTTY := terminal(t)
	b, err := button.Open("key:", button.Env{Keys: openTTY})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keyboard.WriteString("\r"); err != nil { // what the Enter key sends
		t.Fatal(err)
	}
	if got := next(t, b); got != button.Press {
		t.Errorf("Enter is %v", got)
	}
	closeAtOnce(t, b, "a key")
}
