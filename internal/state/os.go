package state

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"xtls-agent/internal/state/vfs"
)

const (
	folderMode fs.FileMode = 0o700
	fileMode   fs.FileMode = 0o600
)

// osFS is the operating system's file system.
type osFS struct{}

func (osFS) OpenFolder(path string) (vfs.Folder, error) {
	if err := makeFolder(filepath.Clean(path)); err != nil {
		return nil, err
	}
	// A Root keeps every operation inside the folder, whatever links stand in it.
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	info, err := root.Stat(".")
	if err == nil {
		err = checkFolder(info)
	}
	if err != nil {
		_ = root.Close()
		return nil, err
	}
	return osFolder{root}, nil
}

// makeFolder creates path and its missing parents. Each new one is synced into its
// parent: else a power cut could take the folder away together with a pairing.
func makeFolder(path string) error {
	info, err := os.Stat(path)
	if err == nil {
		if !info.IsDir() {
			return fmt.Errorf("%s is not a folder", path)
		}
		return nil
	}
	parent := filepath.Dir(path)
	if !errors.Is(err, fs.ErrNotExist) || parent == path {
		return err
	}
	if err := makeFolder(parent); err != nil {
		return err
	}
	if err := os.Mkdir(path, folderMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	f, err := os.Open(parent)
	if err != nil {
		// A parent that may be searched but not read: nothing to sync it by.
		if errors.Is(err, fs.ErrPermission) {
			return nil
		}
		return err
	}
	return errors.Join(syncFolder(f), f.Close())
}

type osFolder struct{ root *os.Root }

func (f osFolder) Lock(name string) (io.Closer, error) {
	file, err := f.root.OpenFile(name, os.O_RDWR|os.O_CREATE, fileMode)
	if readOnly := err; errors.Is(readOnly, syscall.EROFS) {
		if file, err = f.root.Open(name); err != nil {
			err = readOnly // what it is, and not that there is no such file
		}
	}
	if err != nil {
		return nil, err
	}
	if err := lockFile(file); err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil // closing releases the lock
}

func (f osFolder) ReadFile(name string, limit int) ([]byte, error) {
	file, err := f.root.Open(name)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(file, int64(limit)+1))
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return b, file.Close()
}

func (f osFolder) Create(name string) (vfs.File, error) {
	return f.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
}

func (f osFolder) Rename(oldName, newName string) error { return f.root.Rename(oldName, newName) }

func (f osFolder) Remove(name string) error { return f.root.Remove(name) }

func (f osFolder) Names() ([]string, error) {
	entries, err := fs.ReadDir(f.root.FS(), ".")
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

func (f osFolder) Sync() error {
	dir, err := f.root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(syncFolder(dir), dir.Close())
}

func (f osFolder) Close() error { return f.root.Close() }
