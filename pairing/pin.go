package pairing

import (
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

const (
	pinDigits = 8
	pinSpace  = 100_000_000

	// pinDraws bounds the redraws of NewPIN. A draw is refused with a
	// probability of 2.3 %, so a sound source never needs 64 of them; a source
	// that is stuck ends in an error and not in a loop.
	pinDraws = 64

	redacted = "[PIN]"
)

// A PIN is 8 decimal digits. It prints as "[PIN]" by every verb of package fmt, in
// logs and in encodings; only [PIN.Digits] and [PIN.Grouped] give it away. The zero
// PIN is no PIN.
//
// The digits are behind a function because package fmt does not call the methods of
// unexported fields, but looks into them, through pointers too: a PIN inside another
// struct prints as an address. A function also forbids ==, so that everybody compares
// with [PIN.Equal].
type PIN struct {
	digits func() [pinDigits]byte // nil in the zero PIN
}

func newPIN(d [pinDigits]byte) PIN {
	return PIN{func() [pinDigits]byte { return d }}
}

// NewPIN draws a PIN from rand, each of the allowed ones with the same probability.
// Trivial PINs (see [PIN.Trivial]) are drawn again.
func NewPIN(rand io.Reader) (PIN, error) {
	const limit = (1 << 32) / pinSpace * pinSpace // above it, the remainder would favour small PINs
	for range pinDraws {
		var raw [4]byte
		if _, err := io.ReadFull(rand, raw[:]); err != nil {
			return PIN{}, fmt.Errorf("pairing: drawing a PIN: %w", err)
		}
		n := uint64(binary.BigEndian.Uint32(raw[:]))
		if n >= limit {
			continue
		}
		if pin := pinOf(uint32(n % pinSpace)); !pin.Trivial() {
			return pin, nil
		}
	}
	return PIN{}, errors.New("pairing: drawing a PIN: the source of randomness is broken")
}

func pinOf(n uint32) PIN {
	var d [pinDigits]byte
	for i := pinDigits - 1; i >= 0; i-- {
		d[i] = byte('0' + n%10)
		n /= 10
	}
	return newPIN(d)
}

// Errors of ParsePIN. None of them holds anything of the input, which may be a
// mistyped PIN or a password pasted into the wrong field.
var (
	errPINEmpty   = errors.New("pairing: no PIN given: type the 8 digits on the device's display")
	errPINLetters = errors.New("pairing: a PIN holds digits only: type the 8 digits on the device's display")
	errPINLength  = errors.New("pairing: a PIN has 8 digits")
)

// ParsePIN reads a PIN as a person types it: 8 ASCII digits, with spaces and dashes
// anywhere. Trivial PINs are accepted, since the device alone says what its PIN is.
func ParsePIN(typed string) (PIN, error) {
	var d [pinDigits]byte
	n := 0
	for _, r := range typed {
		switch {
		case r == ' ' || r == '-' || r == '\u00a0': // a no-break space comes along when the PIN is copied
			continue
		case r < '0' || r > '9':
			return PIN{}, errPINLetters
		}
		if n < pinDigits {
			d[n] = byte(r)
		}
		n++
	}
	switch {
	case n == 0:
		return PIN{}, errPINEmpty
	case n != pinDigits:
		return PIN{}, fmt.Errorf("%w, not %d", errPINLength, n)
	}
	return newPIN(d), nil
}

// Digits returns the 8 digits, the password of the TLS-SRP handshake, or "" for the
// zero PIN.
func (p PIN) Digits() string {
	if p.digits == nil {
		return ""
	}
	d := p.digits()
	return string(d[:])
}

// Grouped returns the PIN as displays show it, "1234 5678", or "" for the zero PIN.
func (p PIN) Grouped() string {
	if p.digits == nil {
		return ""
	}
	d := p.digits()
	return string(d[:4]) + " " + string(d[4:])
}

// IsZero reports whether p is no PIN.
func (p PIN) IsZero() bool { return p.digits == nil }

// Equal compares in constant time. The zero PIN equals nothing, not even itself, so
// that a PIN that was never set admits nobody.
func (p PIN) Equal(q PIN) bool {
	if p.digits == nil || q.digits == nil {
		return false
	}
	a, b := p.digits(), q.digits()
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// Trivial reports whether somebody would guess p first: all digits equal, or each
// digit one more, or one less, than the one before. Sequences wrap between 9 and 0
// (90123456 is a run along the keys of a keypad), which makes 30 trivial PINs of 10^8.
func (p PIN) Trivial() bool {
	if p.digits == nil {
		return false
	}
	d := p.digits()
	step := (d[1] - d[0] + 10) % 10
	var broken byte
	for i := 2; i < pinDigits; i++ {
		broken |= (d[i]-d[i-1]+10)%10 ^ step
	}
	// Without a branch on a digit: how long a PIN was looked at tells nothing of one that is used.
	runs := subtle.ConstantTimeByteEq(step, 0) | subtle.ConstantTimeByteEq(step, 1) | subtle.ConstantTimeByteEq(step, 9)
	return runs&subtle.ConstantTimeByteEq(broken, 0) == 1
}

// String returns "[PIN]".
func (PIN) String() string { return redacted }

// GoString returns "[PIN]", for %#v.
func (PIN) GoString() string { return redacted }

// Format writes "[PIN]" whatever the verb, so that %d and %x give nothing away.
func (PIN) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// MarshalText returns "[PIN]", for encoding/json and the like.
func (PIN) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue returns "[PIN]", for log/slog.
func (PIN) LogValue() slog.Value { return slog.StringValue(redacted) }
