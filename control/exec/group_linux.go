package exec

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// runGroup runs cmd as leader of a session and process group of its own, without a terminal, and waits
// for it. When ctx ends, the group gets SIGTERM, and SIGKILL after grace. What is left of the
// group when its leader has ended is killed. It reports whether ctx ended it.
func runGroup(ctx context.Context, cmd *exec.Cmd, who identity, grace time.Duration) (killed bool, err error) {
	if err := ctx.Err(); err != nil {
		return true, err
	}
	if err := sealDescriptors(); err != nil {
		return false, err
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if who.change {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: who.uid, Gid: who.gid, Groups: who.groups}
	}
	if err := cmd.Start(); err != nil {
		return false, err
	}
	group := -cmd.Process.Pid
	ended := make(chan struct{})
	go func() { awaitExit(cmd.Process.Pid); close(ended) }()
	select {
	case <-ended:
	case <-ctx.Done():
		killed = !hasExited(cmd.Process.Pid) // it may have, long ago, while this process stood still
		_ = syscall.Kill(group, syscall.SIGTERM)
		timer := time.NewTimer(grace)
		select {
		case <-ended:
		case <-timer.C:
		}
		timer.Stop()
	}
	// The leader is not reaped yet, so its number, which is the group's, cannot be anybody else's.
	_ = syscall.Kill(group, syscall.SIGKILL)
	<-ended
	return killed, cmd.Wait()
}

// awaitExit returns when the process has ended and leaves it to be reaped.
func awaitExit(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// hasExited reports whether the process has ended, and leaves it to be reaped.
func hasExited(pid int) bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOWAIT|unix.WNOHANG, nil)
	return err == nil && info.Signo != 0
}

// sealDescriptors marks all descriptors of this process but 0, 1 and 2 as not to be inherited. Go opens
// its own so; the ones that it was started with, by systemd for example, may not be.
func sealDescriptors() error {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return fmt.Errorf("sealing descriptors: %w", err)
	}
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}

// exists finds a user. "" is the agent's own.
func exists(name string) (identity, error) {
	if name == "" {
		return identity{}, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return identity{}, fmt.Errorf("there is no user %q on this device", name)
	}
	who := identity{name: u.Username, home: u.HomeDir}
	if who.uid, err = number(u.Uid); err != nil {
		return identity{}, err
	}
	if who.gid, err = number(u.Gid); err != nil {
		return identity{}, err
	}
	groups, err := u.GroupIds()
	if err != nil {
		return identity{}, fmt.Errorf("reading the groups of user %q: %w", name, err)
	}
	for _, g := range groups {
		gid, err := number(g)
		if err != nil {
			return identity{}, err
		}
		who.groups = append(who.groups, gid)
	}
	return who, nil
}

// lookup finds a user whom this process may become.
func lookup(name string) (identity, error) {
	who, err := exists(name)
	if name == "" || err != nil {
		return who, err
	}
	switch euid := os.Geteuid(); {
	case euid == 0:
		who.change = true
	case euid != int(who.uid):
		return identity{}, fmt.Errorf("running a program as user %q needs the agent to run as root", name)
	}
	return who, nil
}

func number(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("reading a user's number: %w", err)
	}
	return uint32(n), nil
}
