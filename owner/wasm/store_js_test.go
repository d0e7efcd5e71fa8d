package main

import (
	"bytes"
	"errors"
	"io/fs"
	"syscall/js"
	"testing"
)

const mapStore = `
const files = new Map();
return {
	read: async (name) => files.get(name) ?? null,
	write: async (name, bytes) => { files.set(name, bytes); },
	remove: async (name) => { files.delete(name); },
};`

func newTestStore(t *testing.T, stop <-chan struct{}) (store, js.Value) {
	t.Helper()
	object := js.Global().Get("Function").New(mapStore).Invoke()
	s, err := newStore(object, stop)
	if err != nil {
		t.Fatal(err)
	}
	return s, object
}

func TestStoreKeepsBytes(t *testing.T) {
	s, _ := newTestStore(t, nil)
	if _, err := s.Read("identity"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for _, data := range [][]byte{all, {}} {
		if err := s.Write("identity", data); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Read("identity"); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes come back as %d, %v", len(data), len(got), err)
		}
	}
	if err := errors.Join(s.Remove("identity"), s.Remove("identity")); err != nil {
		t.Error(err)
	}
	if _, err := s.Read("identity"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a removed file: %v", err)
	}
}

// A store that fails must never be taken for an empty one: a new identity would lose every pairing.
func TestFailingStoreIsNotAnEmptyOne(t *testing.T) {
	for name, read := range map[string]string{
		"throws":  "throw new Error('locked')",
		"rejects": "return Promise.reject(undefined)",
		"string":  "return 'text'",
		"array":   "return [1, 2]",
		"huge":    "return new Uint8Array(5 << 20)",
	} {
		s, object := newTestStore(t, nil)
		object.Set("read", js.Global().Get("Function").New(read))
		if _, err := s.Read("identity"); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, method := range []string{"write", "remove"} {
		s, object := newTestStore(t, nil)
		object.Set(method, js.Global().Get("Function").New("return Promise.reject(new Error('full'))"))
		if s.Write("x", nil) == nil && s.Remove("x") == nil {
			t.Errorf("%s fails silently", method)
		}
	}
}

// A store that never answers does not outlive its owner.
func TestStoreStops(t *testing.T) {
	stop := make(chan struct{})
	s, object := newTestStore(t, stop)
	object.Set("read", js.Global().Get("Function").New("return new Promise(() => {})"))
	close(stop)
	if _, err := s.Read("x"); !errors.Is(err, errClosed) {
		t.Error(err)
	}
}
