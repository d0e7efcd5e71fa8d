package state

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"

	"xtls-agent/internal/state/vfs"
)

// lockFile takes an exclusive lock that ends with the open file.
func lockFile(f *os.File) error {
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	err := windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, new(windows.Overlapped))
	switch {
	case err == nil:
		return nil
	case errors.Is(err, windows.ERROR_LOCK_VIOLATION), errors.Is(err, windows.ERROR_IO_PENDING):
		return vfs.ErrLockHeld
	}
	return &fs.PathError{Op: "LockFileEx", Path: f.Name(), Err: err}
}

// syncFolder does nothing: Windows cannot sync a folder. NTFS keeps its renames in
// order in its log, so a power cut leaves the old file or the new, but it may take
// back the last moments. Only the owner's program runs there, and a device that it
// lost can be paired again.
func syncFolder(*os.File) error { return nil }

// checkFolder does nothing: the mode bits say nothing of who may write here. A
// user's profile folder, where state lives, is private to the user.
func checkFolder(fs.FileInfo) error { return nil }
