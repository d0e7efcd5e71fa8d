// The program init is the first process of a guest: it prepares what a program expects of a machine, loads the modules that the
// guest needs, and is the hand of the test from then on. In a guest with a file system of its own ("root=/dev/vda" on the kernel's
// command line) it hands the machine over to that system's init, and comes back as a service of systemd's.
//
// The kernel gives it what it does not know itself of its command line as environment: "hand", the line to speak on.
package main

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"xtls-agent/internal/guest/hand"
)

func main() {
	if os.Getpid() == 1 {
		if err := boot(os.Getenv("hand_root")); err != nil {
			fmt.Println("hand: starting the guest:", err)
		}
	}
	err := serve(os.Getenv("hand"))
	fmt.Println("hand: the end:", err)
	if os.Getpid() == 1 {
		_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	}
}

// serve speaks on a line as soon as it is there.
func serve(line string) error {
	var f *os.File
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		var err error
		if f, err = os.OpenFile(line, os.O_RDWR|unix.O_NOCTTY, 0); err == nil {
			break
		}
		if time.Now().After(deadline) {
			return err
		}
	}
	if term.IsTerminal(int(f.Fd())) {
		if _, err := term.MakeRaw(int(f.Fd())); err != nil {
			return err
		}
	}
	return hand.Serve(f)
}
