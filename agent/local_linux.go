package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/stream"
)

// localGroup may use the local socket.
const localGroup = "xtls-agent"

// maxLocal bounds the sessions on the local socket.
const maxLocal = 16

// serveLocal serves the local socket until ctx ends. A socket that cannot be had is said, and
// does not end the device.
func (l *life) serveLocal(ctx context.Context) error {
	listener, err := listenLocal(l.cfg.Socket())
	if err != nil {
		l.log.Warn("no local socket: xtls-agent status and pairing will not work", "err", err)
		l.links.set("local", "", "failed: "+err.Error())
		<-ctx.Done()
		return ctx.Err()
	}
	l.links.set("local", listener.Addr().String(), "listening")
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	var serving sync.WaitGroup
	defer serving.Wait()
	slots := make(chan struct{}, maxLocal)
	for {
		conn, err := listener.AcceptUnix()
		if ctx.Err() != nil {
			if err == nil {
				_ = conn.Close()
			}
			return ctx.Err()
		}
		if err != nil {
			l.log.Warn("local socket", "err", err)
			time.Sleep(time.Second)
			continue
		}
		select {
		case slots <- struct{}{}:
			serving.Go(func() {
				defer func() { <-slots }()
				if err := l.serveLocalConn(ctx, conn); err != nil {
					l.log.Warn("local session", "err", err)
				}
			})
		default:
			_ = conn.Close()
		}
	}
}

// listenLocal makes the socket, for the group if there is one. A socket that a dead process left
// is replaced; the state folder's lock keeps two living ones apart.
func listenLocal(path string) (*net.UnixListener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	if info, err := os.Lstat(path); err == nil {
		if info.Mode()&os.ModeSocket == 0 {
			return nil, fmt.Errorf("%s is in the way, and no socket", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	made, err := (&net.ListenConfig{Control: makePrivate}).Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	listener := made.(*net.UnixListener)
	if group, err := user.LookupGroup(localGroup); err == nil {
		if gid, err := strconv.Atoi(group.Gid); err == nil && giveTo(path, gid) == nil {
			err = os.Chmod(path, 0o660)
			if err != nil {
				_ = listener.Close()
				return nil, err
			}
		}
	}
	return listener, nil
}

// makePrivate sees to it that nobody reaches a socket before it is ours: its name gets the mode that it has when it is bound. A umask would be
// the whole process's, and what starts meanwhile would keep it.
func makePrivate(_, _ string, conn syscall.RawConn) error {
	var failed error
	if err := conn.Control(func(fd uintptr) { failed = unix.Fchmod(int(fd), 0o600) }); err != nil {
		return err
	}
	return failed
}

// giveTo gives a file to a group, unless it is that group's: a sandbox may forbid chown(2).
func giveTo(path string, gid int) error {
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err == nil && int(stat.Gid) == gid {
		return nil
	}
	return os.Chown(path, -1, gid)
}

func (l *life) serveLocalConn(ctx context.Context, conn *net.UnixConn) error {
	who, err := localPeer(conn)
	if err != nil {
		_ = conn.Close()
		return err
	}
	link, err := stream.Server(ctx, conn, stream.Config{Local: localDevice, Remote: localUser, HeaderTimeout: 5 * time.Second})
	if err != nil {
		_ = conn.Close()
		return err
	}
	s := xmpp.NewSession(link, l.log)
	var beside sync.WaitGroup
	defer beside.Wait()
	beside.Go(l.onLocalSession(s, who))
	return s.Serve(ctx)
}

var errNotAllowed = errors.New("agent: this user may not use the local socket: join the group " + localGroup)

// localPeer returns the user at the other end, as the kernel knows it, if it may be there.
func localPeer(conn *net.UnixConn) (string, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return "", err
	}
	var cred *syscall.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err := errors.Join(err, credErr); err != nil {
		return "", fmt.Errorf("agent: who is at the local socket: %w", err)
	}
	uid := strconv.FormatUint(uint64(cred.Uid), 10)
	u, err := user.LookupId(uid)
	name := uid
	if err == nil {
		name = u.Username
	}
	if cred.Uid == 0 || int(cred.Uid) == os.Geteuid() || inLocalGroup(u, cred.Gid) {
		return name, nil
	}
	return "", fmt.Errorf("%w (user %s)", errNotAllowed, name)
}

func inLocalGroup(u *user.User, gid uint32) bool {
	group, err := user.LookupGroup(localGroup)
	if err != nil {
		return false
	}
	if strconv.FormatUint(uint64(gid), 10) == group.Gid {
		return true
	}
	if u == nil {
		return false
	}
	ids, err := u.GroupIds()
	if err != nil {
		return false
	}
	for _, id := range ids {
		if id == group.Gid {
			return true
		}
	}
	return false
}
