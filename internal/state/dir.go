package state

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"syscall"

	"xtls-agent/internal/state/vfs"
)

// Dir is an open state folder, locked against other processes. Its methods may be
// called from many goroutines.
type Dir struct {
	path         string
	log          *slog.Logger
	evenReadOnly bool

	// mu guards what follows, and with it every file in the folder.
	mu     sync.Mutex
	folder vfs.Folder
	lock   io.Closer
	closed bool
}

// Option changes how [Open] works.
type Option func(*Dir)

// WithLogger makes the Dir say when it repairs a copy. Without it, it is silent.
func WithLogger(log *slog.Logger) Option { return func(d *Dir) { d.log = log } }

// EvenReadOnly makes [Open] open a folder whose file system has turned read-only, as a worn memory card does: what is stored
// can still be read. One in which nothing was ever stored is an error all the same.
func EvenReadOnly() Option { return func(d *Dir) { d.evenReadOnly = true } }

// Open opens the folder at path, creates it if missing, and locks it. With fsys
// nil it is a folder of the operating system.
//
// Errors: [LockedError] if another process has it open, [NotWritableError] if
// nothing can be stored in it. A full disk is not an error here: what is stored can
// still be read.
func Open(path string, fsys vfs.FS, options ...Option) (*Dir, error) {
	if fsys == nil {
		fsys = osFS{}
	}
	d := &Dir{path: path, log: slog.New(slog.DiscardHandler)}
	for _, o := range options {
		o(d)
	}
	folder, err := fsys.OpenFolder(path)
	if err != nil {
		return nil, d.openError(err)
	}
	d.folder = folder
	if err := d.prepare(); err != nil && !d.tolerates(err) {
		if d.lock != nil {
			_ = d.lock.Close()
		}
		_ = folder.Close()
		return nil, d.openError(err)
	}
	return d, nil
}

// tolerates reports whether the folder is of use in spite of what kept it from being prepared.
func (d *Dir) tolerates(err error) bool {
	return d.evenReadOnly && d.lock != nil && errors.Is(err, syscall.EROFS)
}

// prepare locks the folder, sees whether it can be written, removes what an
// interrupted write left behind (which may hold a key), and makes durable what a
// killed process had renamed but not synced: what Read returns must outlast the
// next power cut.
func (d *Dir) prepare() error {
	lock, err := d.folder.Lock(lockName)
	if err != nil {
		return err
	}
	d.lock = lock
	names, err := d.folder.Names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasSuffix(name, tempSuffix) {
			if err := d.folder.Remove(name); err != nil {
				return err
			}
		}
	}
	if err := d.folder.Sync(); err != nil {
		return err
	}
	const probe = "probe" + tempSuffix
	f, err := d.folder.Create(probe)
	if errors.Is(err, syscall.ENOSPC) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), d.folder.Remove(probe))
}

// openError gives an error from opening the type that its reader can act on.
func (d *Dir) openError(err error) error {
	switch {
	case errors.Is(err, vfs.ErrLockHeld):
		return &LockedError{Path: d.path}
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return &NotWritableError{Path: d.path, Err: err}
	}
	return fmt.Errorf("state: opening folder %s: %w", d.path, err)
}

// Read returns the content of a file.
//
// Errors: [fs.ErrNotExist] if it was never written or has been removed;
// [DamagedError] if no copy is whole. Any other error means that it could not be
// found out, and must not be taken for absence.
func (d *Dir) Read(name string) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.check("reading", name); err != nil {
		return nil, err
	}
	r, err := d.settle(name)
	if err != nil {
		return nil, err
	}
	if r.kind != kindData {
		return nil, fmt.Errorf("state: %s in %s: %w", name, d.path, fs.ErrNotExist)
	}
	return slices.Clone(r.data), nil
}

// Write makes data the content of a file. When it returns nil both copies are
// durable. When it returns an error the file holds the old content or the new.
//
// A damaged file is not overwritten: that is a [DamagedError], until Remove.
func (d *Dir) Write(name string, data []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.check("writing", name); err != nil {
		return err
	}
	if len(data) > MaxSize {
		return fmt.Errorf("state: writing %s in %s: %d bytes are more than the %d allowed", name, d.path, len(data), MaxSize)
	}
	p := d.load(name)
	if cur, ok := p.current(); p.damaged() || ok && p[cur].record.kind == kindDamaged {
		_, err := d.settle(name)
		return err
	} else if !ok && p.has(unreadable) {
		return fmt.Errorf("state: writing %s in %s: %w", name, d.path, p.err())
	}
	return d.replace(name, p, record{kind: kindData, generation: p.nextGeneration(), data: data})
}

// Remove removes a file: when it returns nil, neither the loss of a copy nor a
// restart can bring it back. It also ends damage, and erases what was set aside
// then. Removing what is not there is no error.
func (d *Dir) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.check("removing", name); err != nil {
		return err
	}
	if err := d.removeAsides(name); err != nil {
		return err
	}
	p := d.load(name)
	if p[0].condition == missing && p[1].condition == missing {
		return nil
	}
	return d.replace(name, p, record{kind: kindTombstone, generation: p.nextGeneration()})
}

func (d *Dir) removeAsides(name string) error {
	asides, err := d.asides(name)
	if err != nil || len(asides) == 0 {
		return err
	}
	for _, aside := range asides {
		if err := d.folder.Remove(aside); err != nil {
			return fmt.Errorf("state: removing %s from %s: %w", aside, d.path, err)
		}
	}
	return d.sync()
}

// Damaged reports whether Read would give a [DamagedError]. It stays true across
// restarts, until Remove.
func (d *Dir) Damaged(name string) bool {
	_, err := d.Read(name)
	var damaged *DamagedError
	return errors.As(err, &damaged)
}

// Path returns the folder's path, for messages.
func (d *Dir) Path() string { return d.path }

// Close releases the lock. Later calls of other methods fail with [fs.ErrClosed].
func (d *Dir) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	return errors.Join(d.lock.Close(), d.folder.Close())
}

// maxName bounds a file name; with suffixes it stays below what any file system
// allows.
const maxName = 64

// check refuses use after Close, and names that could leave the folder or
// collide on a file system that ignores case.
func (d *Dir) check(doing, name string) error {
	if d.closed {
		return fmt.Errorf("state: %s %s in %s: %w", doing, name, d.path, fs.ErrClosed)
	}
	ok := name != "" && len(name) <= maxName && name[0] != '.'
	for _, c := range name {
		ok = ok && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.')
	}
	if !ok {
		return fmt.Errorf("state: %s %q in %s: %w: use up to %d of a-z, 0-9, dash, underscore and dot",
			doing, name, d.path, fs.ErrInvalid, maxName)
	}
	return nil
}

// repaired says that a copy was repaired, or could not be.
func (d *Dir) repaired(file string, was, err error) {
	if err != nil {
		d.log.Error("state: a copy could not be repaired; the other one serves", "file", file, "was", was, "err", err)
		return
	}
	d.log.Warn("state: repaired a copy from the other one", "file", file, "was", was)
}
