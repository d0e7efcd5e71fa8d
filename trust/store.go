package trust

import (
	"fmt"
	"io/fs"
	"slices"
	"sync"
)

// Store keeps small files durably. Read and Remove tell a missing file by
// [fs.ErrNotExist], respectively by nil; any other error of Read means "could not be
// found out" and is never taken for absence. Write and Remove are durable when they
// return nil. A name is made of a-z, 0-9, dash, underscore and dot.
type Store interface {
	Read(name string) ([]byte, error)
	Write(name string, data []byte) error
	Remove(name string) error
}

// Shared is a Store that other processes use too, such as the folder of a program that may run twice at a
// time. [Peers] holds it for each change, and first reads what the others have made of the set.
type Shared interface {
	Store
	// Hold keeps the other processes out until release is called. The holder goes on using the Store.
	Hold() (release func(), err error)
}

// MemStore is a Store in memory, for the demo, for browsers and for tests. It may be
// used by many goroutines.
type MemStore struct {
	mu    sync.Mutex // guards files
	files map[string][]byte
}

// NewMemStore returns an empty MemStore.
func NewMemStore() *MemStore { return &MemStore{files: make(map[string][]byte)} }

// Read implements [Store].
func (m *MemStore) Read(name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	data, ok := m.files[name]
	if !ok {
		return nil, fmt.Errorf("trust: reading %s: %w", name, fs.ErrNotExist)
	}
	return slices.Clone(data), nil
}

// Write implements [Store].
func (m *MemStore) Write(name string, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files[name] = slices.Clone(data)
	return nil
}

// Remove implements [Store].
func (m *MemStore) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.files, name)
	return nil
}

// Format keeps the content, which may be a key, out of logs, whatever the verb.
func (m *MemStore) Format(f fmt.State, _ rune) { fmt.Fprint(f, "MemStore(redacted)") }
