package buttontest

import (
	"sync"

	"xtls-agent/hw/button"
)

// Keys is a button on whose device a PIN can be typed. Make it with NewKeys.
type Keys struct {
	*Fake
	typed chan button.Key

	mu     sync.Mutex // guards what follows, and sending after closed
	typing bool
	closed bool
}

// NewKeys returns a button with digits. Up to 64 keys wait in it.
func NewKeys() *Keys { return &Keys{Fake: New(), typed: make(chan button.Key, 64)} }

// Type lets a person press keys: digits, '\b' for backspace, '\n' for OK. It returns how many were taken: those pressed while
// nobody asks for a PIN are not.
func (k *Keys) Type(keys string) (taken int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.typing || k.closed {
		return 0
	}
	for _, key := range []byte(keys) {
		select {
		case k.typed <- button.Key(key):
			taken++
		default:
			panic("buttontest: 64 keys wait, and nobody takes them")
		}
	}
	return taken
}

// Typing implements button.Keys.
func (k *Keys) Typing(on bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.typing = on
}

// Typed implements button.Keys.
func (k *Keys) Typed() <-chan button.Key { return k.typed }

// Close implements button.Button.
func (k *Keys) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.closed {
		k.closed = true
		close(k.typed)
	}
	return k.Fake.Close()
}

var _ button.Keys = (*Keys)(nil)
