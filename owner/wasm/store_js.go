package main

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall/js"

	"xtls-agent/owner"
)

// maxFile bounds what a store may answer with: an identity and 256 devices fit many times.
const maxFile = 4 << 20

// store is an [owner.Store] that JavaScript made. It is an object
//
//	{ read(name), write(name, bytes), remove(name) }
//
// whose methods return promises. read resolves to a Uint8Array, or to null or undefined if there is no such
// file; write and remove resolve when the change is durable. One of the files is a private key: who can read the store
// can control the devices.
type store struct {
	object js.Value
	stop   <-chan struct{} // ends every wait
}

var _ owner.Store = store{}

func newStore(object js.Value, stop <-chan struct{}) (store, error) {
	return store{object, stop}, needMethods("store", object, "read", "write", "remove")
}

// Read implements [owner.Store].
func (s store) Read(name string) ([]byte, error) {
	v, err := s.ask("read", name)
	if err != nil {
		return nil, err
	}
	if absent(v) {
		return nil, fmt.Errorf("wasm: store: reading %s: %w", name, fs.ErrNotExist)
	}
	if !v.InstanceOf(js.Global().Get("Uint8Array")) {
		return nil, usageError("store.read() must resolve to a Uint8Array, or to null if there is no such file")
	}
	if v.Length() > maxFile {
		return nil, fmt.Errorf("wasm: store: %s has more than %d bytes", name, maxFile)
	}
	data := make([]byte, v.Length())
	js.CopyBytesToGo(data, v)
	return data, nil
}

// Write implements [owner.Store].
func (s store) Write(name string, data []byte) error {
	array := js.Global().Get("Uint8Array").New(len(data))
	js.CopyBytesToJS(array, data)
	_, err := s.ask("write", name, array)
	return err
}

// Remove implements [owner.Store].
func (s store) Remove(name string) error {
	_, err := s.ask("remove", name)
	return err
}

func (s store) ask(method, name string, args ...any) (js.Value, error) {
	v, err := ask(s.stop, s.object, method, append([]any{name}, args...)...)
	switch {
	case errors.Is(err, errStopped):
		return v, errClosed
	case err != nil:
		return v, fmt.Errorf("wasm: store: %s %s: %w", method, name, err)
	}
	return v, nil
}
