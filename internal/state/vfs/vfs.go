// Package vfs is what package state needs of a file system. It stands apart so that what records and replays its
// operations, for tests of the packages above, can know it without knowing state.
package vfs

import (
	"errors"
	"io"
)

// ErrLockHeld is what [Folder.Lock] returns when somebody else holds the lock.
var ErrLockHeld = errors.New("lock is held by another process")

// FS is a file system. It is small so that tests can record each operation and replay a power cut after any of them.
type FS interface {
	// OpenFolder opens the folder at path; it creates it, durably and readable
	// by nobody else, if it is missing.
	OpenFolder(path string) (Folder, error)
}

// Folder is one open folder. Names are plain file names, without separators.
// Errors match [io/fs.ErrNotExist] and [io/fs.ErrPermission] as those of os do.
type Folder interface {
	// Lock takes an exclusive lock on the file called name, which it creates if
	// missing, until the returned Closer is closed or the process ends. That works on a
	// read-only file system too, if the file is there. It fails at once with an error
	// that matches [ErrLockHeld] if somebody has it.
	Lock(name string) (io.Closer, error)
	// ReadFile returns the content, but no more than limit+1 bytes of it.
	ReadFile(name string, limit int) ([]byte, error)
	// Create makes a new file with mode 0600; a file of that name is an error.
	Create(name string) (File, error)
	// Rename replaces what newName was.
	Rename(oldName, newName string) error
	Remove(name string) error
	// Names lists the folder.
	Names() ([]string, error)
	// Sync makes the creations, renames and removals so far durable.
	Sync() error
	Close() error
}

// File is a file being written.
type File interface {
	io.Writer
	// Sync makes what was written durable.
	Sync() error
	Close() error
}
