package unruly

import (
	"io/fs"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memTokens is a c2s.TokenStore in memory.
type memTokens struct {
	mu   sync.Mutex // guards data
	data []byte
}

func (m *memTokens) Load() ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.data == nil {
		return nil, fs.ErrNotExist
	}
	return slices.Clone(m.data), nil
}

func (m *memTokens) Save(data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.data = slices.Clone(data)
	return nil
}
