package state

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"sync"
)

// memFS is a folder in memory that records its operations, so that a power cut can
// be replayed after any of them. It models what POSIX leaves open: contents are
// durable only after File.Sync, names only after Folder.Sync, in any order.
type memFS struct {
	mu     sync.Mutex
	names  map[string]*inode
	locked bool
	ops    []op
	// fail, if set, may make an operation fail instead of happening.
	fail func(kind opKind, name string) error
}

// inode is the content of one file, apart from its names.
type inode struct{ data []byte }

type opKind string

const (
	opCreate   opKind = "create"
	opWrite    opKind = "write"
	opSyncFile opKind = "syncfile"
	opRename   opKind = "rename"
	opRemove   opKind = "remove"
	opSync     opKind = "sync"
	opRead     opKind = "read" // not recorded: changes nothing
	opLock     opKind = "lock" // not recorded
)

// op is one recorded operation.
type op struct {
	kind     opKind
	name, to string
	node     *inode
	data     []byte
}

func newMemFS(files map[string][]byte) *memFS {
	m := &memFS{names: make(map[string]*inode)}
	for name, data := range files {
		m.names[name] = &inode{slices.Clone(data)}
	}
	return m
}

// files is the present content, all of it.
func (m *memFS) files() map[string][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make(map[string][]byte)
	for name, n := range m.names {
		out[name] = slices.Clone(n.data)
	}
	return out
}

func (m *memFS) opCount() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.ops)
}

// record checks for an injected failure, then notes the operation. m.mu is held.
func (m *memFS) record(o op) error {
	if m.fail != nil {
		if err := m.fail(o.kind, o.name); err != nil {
			return &fs.PathError{Op: string(o.kind), Path: o.name, Err: err}
		}
	}
	if o.kind != opRead && o.kind != opLock {
		m.ops = append(m.ops, o)
	}
	return nil
}

func (m *memFS) OpenFolder(string) (Folder, error) { return m, nil }

func (m *memFS) Lock(name string) (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.record(op{kind: opLock, name: name}); err != nil {
		return nil, err
	}
	if m.locked {
		return nil, errLockHeld
	}
	m.locked = true
	return memLock{m}, nil
}

type memLock struct{ m *memFS }

func (l memLock) Close() error {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	l.m.locked = false
	return nil
}

func (m *memFS) ReadFile(name string, limit int) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.record(op{kind: opRead, name: name}); err != nil {
		return nil, err
	}
	n := m.names[name]
	if n == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return slices.Clone(n.data[:min(len(n.data), limit+1)]), nil
}

func (m *memFS) Create(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.names[name] != nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	n := new(inode)
	if err := m.record(op{kind: opCreate, name: name, node: n}); err != nil {
		return nil, err
	}
	m.names[name] = n
	return &memFile{m, name, n}, nil
}

func (m *memFS) Rename(oldName, newName string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.names[oldName]
	if n == nil {
		return &fs.PathError{Op: "rename", Path: oldName, Err: fs.ErrNotExist}
	}
	if err := m.record(op{kind: opRename, name: oldName, to: newName, node: n}); err != nil {
		return err
	}
	delete(m.names, oldName)
	m.names[newName] = n
	return nil
}

func (m *memFS) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.names[name] == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	if err := m.record(op{kind: opRemove, name: name}); err != nil {
		return err
	}
	delete(m.names, name)
	return nil
}

func (m *memFS) Names() ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.names)), nil
}

func (m *memFS) Sync() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.record(op{kind: opSync})
}

func (m *memFS) Close() error { return nil }

type memFile struct {
	m    *memFS
	name string
	node *inode
}

func (f *memFile) Write(b []byte) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.m.record(op{kind: opWrite, name: f.name, node: f.node, data: slices.Clone(b)}); err != nil {
		return 0, err
	}
	f.node.data = append(f.node.data, b...)
	return len(b), nil
}

func (f *memFile) Sync() error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	return f.m.record(op{kind: opSyncFile, name: f.name, node: f.node})
}

func (f *memFile) Close() error { return nil }

// unsyncedData is what becomes of content that was written and not synced.
type unsyncedData func(synced, written []byte) []byte

var unsyncedDataFates = []unsyncedData{
	func(synced, _ []byte) []byte { return synced },                       // dropped
	func(_, written []byte) []byte { return written },                     // kept
	func(_, written []byte) []byte { return written[:len(written)/2] },    // kept in part
	func(_, written []byte) []byte { return make([]byte, len(written)) },  // length kept, blocks not
	func(_, written []byte) []byte { return append(written, written...) }, // garbage after it
}

// naming is one change of the folder: a name now means a file, or nothing (nil).
type naming struct {
	name string
	node *inode
}

// powerCuts returns every content that the folder may have after a power cut that
// follows ops: each subset of the unsynced changes of names (a rename is two), with
// each fate of unsynced data. No content is returned twice.
func powerCuts(start map[string][]byte, ops []op) []map[string][]byte {
	durable := make(map[string]*inode)
	synced, written := make(map[*inode][]byte), make(map[*inode][]byte)
	for name, data := range start {
		n := new(inode)
		durable[name], synced[n], written[n] = n, data, data
	}
	var pending [][]naming
	for _, o := range ops {
		node := o.node
		switch o.kind {
		case opCreate:
			pending = append(pending, []naming{{o.name, node}})
		case opWrite:
			written[node] = append(slices.Clone(written[node]), o.data...)
		case opSyncFile:
			synced[node] = written[node]
		case opRename:
			// The node of a file that was there at the start is known by name only.
			if _, ok := written[node]; !ok {
				node = durableNode(durable, pending, o.name)
			}
			pending = append(pending, []naming{{o.to, node}, {o.name, nil}})
		case opRemove:
			pending = append(pending, []naming{{o.name, nil}})
		case opSync:
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
				if slices.Equal(synced[n], written[n]) {
					files[name] = written[n]
				} else {
					files[name] = fate(synced[n], slices.Clone(written[n]))
				}
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
