package pairing

import (
	"fmt"
	"io"
	"log/slog"
)

// A Typed is what was typed of a PIN at the device so far: up to 8 digits. Like a [PIN] it prints as "[PIN]" by every verb of
// package fmt, in logs and in encodings, and says not even how many digits there are. The zero Typed is none.
type Typed struct {
	digits func() string // nil if there are none; a function for the reason that PIN has one
}

func newTyped(digits string) Typed {
	if digits == "" {
		return Typed{}
	}
	return Typed{func() string { return digits }}
}

// Digits returns the digits, for a display.
func (t Typed) Digits() string {
	if t.digits == nil {
		return ""
	}
	return t.digits()
}

// Len returns how many digits there are.
func (t Typed) Len() int { return len(t.Digits()) }

// with returns t and one digit more; t is shorter than a PIN.
func (t Typed) with(d byte) Typed { return newTyped(t.Digits() + string(rune(d))) }

// without returns t without its last digit; there is one.
func (t Typed) without() Typed { return newTyped(t.Digits()[:t.Len()-1]) }

// pin returns the PIN, if t is a whole one.
func (t Typed) pin() (pin PIN, whole bool) {
	if t.Len() != pinDigits {
		return PIN{}, false
	}
	return newPIN([pinDigits]byte([]byte(t.Digits()))), true
}

// String returns "[PIN]".
func (Typed) String() string { return redacted }

// GoString returns "[PIN]", for %#v.
func (Typed) GoString() string { return redacted }

// Format writes "[PIN]" whatever the verb.
func (Typed) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// MarshalText returns "[PIN]", for encoding/json and the like.
func (Typed) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue returns "[PIN]", for log/slog.
func (Typed) LogValue() slog.Value { return slog.StringValue(redacted) }
