package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"xtls-agent/internal/guest/hand"
)

// mounts are what a program expects to find.
var mounts = []struct{ kind, at string }{
	{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"devpts", "/dev/pts"}, {"tmpfs", "/run"}, {"tmpfs", "/tmp"},
	{"debugfs", "/sys/kernel/debug"},
}

// boot makes a machine of a kernel. If root names a disk, it does not return but hands the machine over to the system on it.
func boot(root string) error {
	var errs []error
	for _, m := range mounts {
		if err := os.MkdirAll(m.at, 0o755); err != nil {
			errs = append(errs, err)
		}
		if err := unix.Mount(m.kind, m.at, m.kind, 0, ""); err != nil {
			errs = append(errs, fmt.Errorf("mounting %s: %w", m.at, err))
		}
	}
	errs = append(errs, unix.Sethostname([]byte("guest")), loadModules("/lib/modules/load"))
	if root != "" {
		return errors.Join(append(errs, handOver(root))...)
	}
	return errors.Join(append(errs, loopback())...)
}

// loadModules loads what a list says, a module and its parameters in a line, each after those it needs.
func loadModules(list string) error {
	f, err := os.Open(list)
	if err != nil {
		return err
	}
	defer f.Close()
	var errs []error
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		path, parameters, _ := strings.Cut(lines.Text(), " ")
		errs = append(errs, new(hand.Hand).Load(hand.Module{Path: path, Parameters: parameters}, nil))
	}
	return errors.Join(append(errs, lines.Err())...)
}

// loopback switches the loopback interface on; the kernel gives it its address.
func loopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
}
