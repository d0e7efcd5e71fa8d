package button

import (
	"fmt"
	"strings"
	"sync"

	"xtls-agent/hw/internal/spec"
)

// Key is what is pressed while a PIN is typed at the device: an ASCII digit, Backspace or OK.
//
// A Key formats without its digit, whatever the verb: it is part of a PIN. (It is a rune, since fmt shows a slice of bytes as text.)
type Key rune

// The keys besides the digits '0' to '9'.
const (
	Backspace Key = '\b'
	OK        Key = '\n'
)

// Digit returns the digit; ok is false if it is none.
func (k Key) Digit() (digit byte, ok bool) { return byte(k), '0' <= k && k <= '9' }

// Format implements fmt.Formatter.
func (k Key) Format(f fmt.State, _ rune) {
	word := map[Key]string{Backspace: "backspace", OK: "OK"}[k]
	if _, ok := k.Digit(); ok {
		word = "digit"
	}
	fmt.Fprint(f, word)
}

// Keys is a Button on whose device a PIN can be typed. What [Join] returns is one if one of its buttons is.
type Keys interface {
	Button

	// Typing says whether a PIN is being typed. While it is, the keys that may be part of it go to Typed, and are no button:
	// the OK that ends a PIN must not begin the next window. Nor do they go to other programs, as far as that can be had: at
	// a console they would be a name that nobody can log in by, in a log. At first it is off.
	Typing(on bool)

	// Typed is always the same channel. It is closed by Close and never before. Keys that nobody takes are dropped beyond
	// a PIN or two.
	Typed() <-chan Key
}

// withDigits makes a Keys of a button that puts what is typed into t, which may be nil: then it stays what it is.
func withDigits(b Button, t *typist) Button {
	if t == nil {
		return b
	}
	return lined{b, t}
}

// lined is a button that takes lines, and digits among them.
type lined struct {
	Button
	*typist
}

// Close implements Button.
func (l lined) Close() error {
	err := l.Button.Close()
	l.endTyping()
	return err
}

// parseDigits reads whether a PIN can be typed, and returns what takes it; nil if it cannot.
func parseDigits(s *spec.Spec) func() *typist {
	if s.Choice("digits", "off", "on") == "off" {
		return func() *typist { return nil }
	}
	return newTypist
}

// typedDigits is what a line of digits is, with spaces between them; ok is false for other lines, and for an empty one.
func typedDigits(text string) (keys []Key, ok bool) {
	for _, r := range strings.Join(strings.Fields(text), "") {
		if _, ok := Key(r).Digit(); !ok {
			return nil, false
		}
		keys = append(keys, Key(r))
	}
	return keys, keys != nil
}

// typist is what Keys adds to a source. A nil one takes nothing.
type typist struct {
	typed chan Key

	mu     sync.Mutex // guards what follows, and sending after closed
	on     bool
	closed bool
}

func newTypist() *typist { return &typist{typed: make(chan Key, 32)} }

// Typed implements Keys.
func (t *typist) Typed() <-chan Key { return t.typed }

// Typing implements Keys.
func (t *typist) Typing(on bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.on = on
}

// typing reports whether a PIN is being typed.
func (t *typist) typing() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.on
}

// take takes keys if a PIN is being typed.
func (t *typist) take(keys ...Key) bool {
	if t == nil {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.on || t.closed {
		return false
	}
	for _, k := range keys {
		select {
		case t.typed <- k:
		default:
		}
	}
	return true
}

// endTyping closes the channel; only the first call does anything.
func (t *typist) endTyping() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		t.closed = true
		close(t.typed)
	}
}
