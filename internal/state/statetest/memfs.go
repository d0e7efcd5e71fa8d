// Package statetest holds a folder in memory for tests: it records what is done to it, makes any of it fail, and says
// what a power cut after any of it may leave.
package statetest

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"sync"

	"xtls-agent/internal/state/vfs"
)

// FS is a folder in memory that records its operations, so that a power cut can
// be replayed after any of them. It models what POSIX leaves open: contents are
// durable only after File.Sync, names only after Folder.Sync, in any order.
type FS struct {
	mu     sync.Mutex // guards what follows
	names  map[string]*inode
	locked bool
	ops    []Op
	fail   func(kind Kind, name string) error
}

// inode is the content of one file, apart from its names.
type inode struct{ data []byte }

// Kind is what an operation does.
type Kind string

// The kinds of operations.
const (
	OpCreate     Kind = "create"
	OpWrite      Kind = "write"
	OpSyncFile   Kind = "syncfile"
	OpRename     Kind = "rename"
	OpRemove     Kind = "remove"
	OpSyncFolder Kind = "sync"
	OpRead       Kind = "read" // not recorded: changes nothing
	OpLock       Kind = "lock" // not recorded
)

// Op is one recorded operation.
type Op struct {
	Kind     Kind
	Name, To string
	node     *inode
	data     []byte
}

// New returns a folder that holds files.
func New(files map[string][]byte) *FS {
	m := &FS{names: make(map[string]*inode)}
	for name, data := range files {
		m.names[name] = &inode{slices.Clone(data)}
	}
	return m
}

// Files is the present content, all of it.
func (m *FS) Files() map[string][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make(map[string][]byte)
	for name, n := range m.names {
		out[name] = slices.Clone(n.data)
	}
	return out
}

// FailBy lets fail make an operation fail instead of happening; nil ends that.
func (m *FS) FailBy(fail func(kind Kind, name string) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = fail
}

// Ops lists what was done so far.
func (m *FS) Ops() []Op {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.ops)
}

// Count is the number of operations so far.
func (m *FS) Count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.ops)
}

// record checks for an injected failure, then notes the operation. m.mu is held.
func (m *FS) record(o Op) error {
	if m.fail != nil {
		if err := m.fail(o.Kind, o.Name); err != nil {
			return &fs.PathError{Op: string(o.Kind), Path: o.Name, Err: err}
		}
	}
	if o.Kind != OpRead && o.Kind != OpLock {
		m.ops = append(m.ops, o)
	}
	return nil
}

// OpenFolder implements [vfs.FS].
func (m *FS) OpenFolder(string) (vfs.Folder, error) { return m, nil }

// Lock implements [vfs.Folder].
func (m *FS) Lock(name string) (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.record(Op{Kind: OpLock, Name: name}); err != nil {
		return nil, err
	}
	if m.locked {
		return nil, vfs.ErrLockHeld
	}
	m.locked = true
	return memLock{m}, nil
}

type memLock struct{ m *FS }

func (l memLock) Close() error {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	l.m.locked = false
	return nil
}

// ReadFile implements [vfs.Folder].
func (m *FS) ReadFile(name string, limit int) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.record(Op{Kind: OpRead, Name: name}); err != nil {
		return nil, err
	}
	n := m.names[name]
	if n == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return slices.Clone(n.data[:min(len(n.data), limit+1)]), nil
}

// Create implements [vfs.Folder].
func (m *FS) Create(name string) (vfs.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.names[name] != nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	n := new(inode)
	if err := m.record(Op{Kind: OpCreate, Name: name, node: n}); err != nil {
		return nil, err
	}
	m.names[name] = n
	return &memFile{m, name, n}, nil
}

// Rename implements [vfs.Folder].
func (m *FS) Rename(oldName, newName string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.names[oldName]
	if n == nil {
		return &fs.PathError{Op: "rename", Path: oldName, Err: fs.ErrNotExist}
	}
	if err := m.record(Op{Kind: OpRename, Name: oldName, To: newName, node: n}); err != nil {
		return err
	}
	delete(m.names, oldName)
	m.names[newName] = n
	return nil
}

// Remove implements [vfs.Folder].
func (m *FS) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.names[name] == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	if err := m.record(Op{Kind: OpRemove, Name: name}); err != nil {
		return err
	}
	delete(m.names, name)
	return nil
}

// Names implements [vfs.Folder].
func (m *FS) Names() ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.names)), nil
}

// Sync implements [vfs.Folder].
func (m *FS) Sync() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.record(Op{Kind: OpSyncFolder})
}

// Close implements [vfs.Folder].
func (m *FS) Close() error { return nil }

type memFile struct {
	m    *FS
	name string
	node *inode
}

func (f *memFile) Write(b []byte) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.m.record(Op{Kind: OpWrite, Name: f.name, node: f.node, data: slices.Clone(b)}); err != nil {
		return 0, err
	}
	f.node.data = append(f.node.data, b...)
	return len(b), nil
}

func (f *memFile) Sync() error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	return f.m.record(Op{Kind: OpSyncFile, Name: f.name, node: f.node})
}

func (f *memFile) Close() error { return nil }

// unsyncedData is what becomes of what was written since a file was synced last. Files only grow: what was synced stays.
type unsyncedData func(written []byte) []byte

var unsyncedDataFates = []unsyncedData{
	func([]byte) []byte { return nil },                                     // dropped
	func(written []byte) []byte { return written },                         // kept
	func(written []byte) []byte { return written[:len(written)/2] },        // kept in part
	func(written []byte) []byte { return make([]byte, len(written)) },      // length kept, blocks not
	func(written []byte) []byte { return slices.Concat(written, written) }, // garbage after it
}

// naming is one change of the folder: a name now means a file, or nothing (nil).
type naming struct {
	name string
	node *inode
}

// PowerCuts returns every content that the folder may have after a power cut that
// follows ops: each subset of the unsynced changes of names (a rename is two), with
// each fate of unsynced data. No content is returned twice.
func PowerCuts(start map[string][]byte, ops []Op) []map[string][]byte {
	durable := make(map[string]*inode)
	synced, written := make(map[*inode][]byte), make(map[*inode][]byte)
	for name, data := range start {
		n := new(inode)
		durable[name], synced[n], written[n] = n, data, data
	}
	var pending [][]naming
	for _, o := range ops {
		node := o.node
		switch o.Kind {
		case OpCreate:
			pending = append(pending, []naming{{o.Name, node}})
		case OpWrite:
			written[node] = append(slices.Clone(written[node]), o.data...)
		case OpSyncFile:
			synced[node] = written[node]
		case OpRename:
			// The node of a file that was there at the start is known by name only.
			if _, ok := written[node]; !ok {
				node = durableNode(durable, pending, o.Name)
			}
			pending = append(pending, []naming{{o.To, node}, {o.Name, nil}})
		case OpRemove:
			pending = append(pending, []naming{{o.Name, nil}})
		case OpSyncFolder:
			apply(durable, pending)
			pending = nil
		}
	}
	var cuts []map[string][]byte
	seen := make(map[string]bool)
	for subset := range 1 << len(pending) {
		names := maps.Clone(durable)
		for i, changes := range pending {
			if subset>>i&1 == 1 {
				apply(names, [][]naming{changes})
			}
		}
		for _, fate := range unsyncedDataFates {
			files := make(map[string][]byte)
			for name, n := range names {
				files[name] = slices.Concat(synced[n], fate(written[n][len(synced[n]):]))
			}
			if key := fmt.Sprintf("%q", files); !seen[key] {
				seen[key] = true
				cuts = append(cuts, files)
			}
		}
	}
	return cuts
}

// durableNode finds the file that a name means once all pending changes are made.
func durableNode(durable map[string]*inode, pending [][]naming, name string) *inode {
	names := maps.Clone(durable)
	apply(names, pending)
	return names[name]
}

func apply(names map[string]*inode, pending [][]naming) {
	for _, changes := range pending {
		for _, c := range changes {
			if c.node == nil {
				delete(names, c.name)
			} else {
				names[c.name] = c.node
			}
		}
	}
}
