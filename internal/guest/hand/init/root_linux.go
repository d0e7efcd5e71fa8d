package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// service brings the hand back when systemd runs the machine. It must outlive whatever the test does to other units.
const service = `[Unit]
Description=The hand of a test
DefaultDependencies=no
[Service]
ExecStart=/run/hand
Environment=hand=%s
StandardOutput=tty
TTYPath=/dev/console
[Install]
WantedBy=sysinit.target
`

// handOver makes the disk the root file system, and its init the first process. The mounts go along.
func handOver(disk string) error {
	const to = "/root"
	if err := errors.Join(os.MkdirAll(to, 0o755), waitFor(disk), unix.Mount(disk, to, "ext4", 0, "")); err != nil {
		return fmt.Errorf("mounting %s: %w", disk, err)
	}
	if err := leaveService(); err != nil {
		return err
	}
	for _, at := range []string{"/proc", "/sys", "/dev", "/run"} {
		if err := unix.Mount(at, to+at, "", unix.MS_MOVE, ""); err != nil {
			return fmt.Errorf("moving %s: %w", at, err)
		}
	}
	if err := errors.Join(os.Chdir(to), unix.Mount(".", "/", "", unix.MS_MOVE, ""), unix.Chroot("."), os.Chdir("/")); err != nil {
		return err
	}
	return unix.Exec("/sbin/init", []string{"/sbin/init"}, []string{"TERM=linux"})
}

// leaveService puts the hand where systemd finds it, in a folder that is gone with the guest.
func leaveService() error {
	const units = "/run/systemd/system/"
	self, err := os.ReadFile("/init")
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile("/run/hand", self, 0o755),
		os.MkdirAll(units+"sysinit.target.wants", 0o755),
		os.WriteFile(units+"hand.service", fmt.Appendf(nil, service, os.Getenv("hand")), 0o644),
		os.Symlink(units+"hand.service", units+"sysinit.target.wants/hand.service"),
	)
}

func waitFor(path string) error {
	for range 500 {
		if _, err := os.Stat(path); err == nil {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("there is no %s", path)
}
