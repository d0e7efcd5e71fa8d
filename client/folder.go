package client

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"xtls-agent/internal/state"
	"xtls-agent/owner"
)

// Another run of the program holds the folder only while it reads or writes, never while a person types.
const (
	lockPatience = 10 * time.Second
	lockPause    = 20 * time.Millisecond
)

// folder is the client's folder. Several processes may use it at once: each locks it for one
// operation, or for what it does between Hold and release.
type folder struct {
	path     string
	patience time.Duration

	holding sync.Mutex // held from Hold to release

	mu  sync.Mutex // guards dir
	dir *state.Dir // nil: not held
}

var _ owner.Shared = (*folder)(nil)

// Hold implements [owner.Shared].
func (f *folder) Hold() (release func(), err error) {
	f.holding.Lock()
	dir, err := f.open()
	if err != nil {
		f.holding.Unlock()
		return nil, err
	}
	f.set(dir)
	return func() {
		f.set(nil)
		_ = dir.Close()
		f.holding.Unlock()
	}, nil
}

func (f *folder) set(dir *state.Dir) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dir = dir
}

// open waits for other runs of the program, which are quick.
func (f *folder) open() (*state.Dir, error) {
	for deadline := time.Now().Add(f.patience); ; time.Sleep(lockPause) {
		dir, err := state.Open(f.path, nil)
		var locked *state.LockedError
		if err == nil || !errors.As(err, &locked) {
			return dir, err
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("client: another xtlsctl has been using the folder %s for %v: end it, or choose another folder with --dir", f.path, f.patience)
		}
	}
}

// with calls do with the folder open and locked.
func (f *folder) with(do func(*state.Dir) error) error {
	f.mu.Lock()
	held := f.dir
	f.mu.Unlock()
	if held != nil {
		return do(held)
	}
	dir, err := f.open()
	if err != nil {
		return err
	}
	return errors.Join(do(dir), dir.Close())
}

// Read implements [owner.Store].
func (f *folder) Read(name string) (data []byte, err error) {
	err = f.with(func(d *state.Dir) error {
		data, err = d.Read(name)
		return err
	})
	return data, err
}

// Write implements [owner.Store].
func (f *folder) Write(name string, data []byte) error {
	return f.with(func(d *state.Dir) error { return d.Write(name, data) })
}

// Remove implements [owner.Store].
func (f *folder) Remove(name string) error {
	return f.with(func(d *state.Dir) error { return d.Remove(name) })
}
