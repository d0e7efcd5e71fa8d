//go:build unix && !aix && !solaris

package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"xtls-agent/internal/state/vfs"
)

// lockFile takes an exclusive lock that ends with the open file. The lock belongs to
// the open file and not to the process, so it also keeps out a second Dir in the
// same program.
func lockFile(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EWOULDBLOCK):
			return vfs.ErrLockHeld
		default:
			return &fs.PathError{Op: "flock", Path: f.Name(), Err: err}
		}
	}
}

// syncFolder makes the entries of an open folder durable.
func syncFolder(f *os.File) error { return f.Sync() }

// checkFolder refuses a folder in which others could replace our files. It does not
// change the mode itself: a wrong path may be somebody else's folder.
func checkFolder(info fs.FileInfo) error {
	if perm := info.Mode().Perm(); perm&0o022 != 0 {
		return fmt.Errorf("other users can write to it (mode %04o); make it private with chmod 700", perm)
	}
	return nil
}
