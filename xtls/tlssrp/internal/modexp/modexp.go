// Package modexp is arithmetic modulo an odd number, in constant time.
//
// What an operation takes, in time and memory access, depends on the sizes of modulus and exponent and on nothing else. It is not a
// bignum library: no parsing, no printing, no other operations than those that SRP needs. Today it wraps
// filippo.io/bigmod; the interface is narrow enough for other code to take its place.
package modexp

import (
	"errors"
	"fmt"
	"io"

	"filippo.io/bigmod"
)

// A Modulus is an odd number greater than 1.
type Modulus struct {
	m *bigmod.Modulus
}

// NewModulus takes the modulus as big-endian bytes. It is public: its value shows in the time that this takes.
func NewModulus(n []byte) (*Modulus, error) {
	if len(n) == 0 || n[len(n)-1]&1 == 0 {
		return nil, errors.New("modexp: the modulus must be odd")
	}
	m, err := bigmod.NewModulus(n)
	if err != nil {
		return nil, fmt.Errorf("modexp: %w", err)
	}
	return &Modulus{m}, nil
}

// Size returns the length of an element in bytes.
func (m *Modulus) Size() int { return m.m.Size() }

// An Element is a number in [0, N). It remembers its modulus; mixing moduli is a mistake of the caller and panics.
type Element struct {
	nat *bigmod.Nat
	m   *Modulus
}

// Element reads a big-endian number. One that is N or greater, or has more bytes than N, is an error.
func (m *Modulus) Element(b []byte) (*Element, error) {
	if len(b) > m.Size() {
		return nil, errors.New("modexp: number is longer than the modulus")
	}
	nat, err := bigmod.NewNat().SetBytes(b, m.m)
	if err != nil {
		return nil, fmt.Errorf("modexp: %w", err)
	}
	return &Element{nat, m}, nil
}

// Bytes returns the element as Size bytes, big-endian.
func (x *Element) Bytes() []byte { return x.nat.Bytes(x.m.m) }

// IsZero tells whether x is 0. What it returns is of course no secret any more.
func (x *Element) IsZero() bool { return x.nat.IsZero() == 1 }

// Add returns x + y.
func (x *Element) Add(y *Element) *Element { return &Element{x.copy().Add(x.same(y), x.m.m), x.m} }

// Sub returns x - y.
func (x *Element) Sub(y *Element) *Element { return &Element{x.copy().Sub(x.same(y), x.m.m), x.m} }

// Mul returns x · y.
func (x *Element) Mul(y *Element) *Element { return &Element{x.copy().Mul(x.same(y), x.m.m), x.m} }

// Exp returns x^e for a big-endian e. The length of e is public, its leading zeros are not.
func (x *Element) Exp(e []byte) *Element {
	return &Element{bigmod.NewNat().Exp(x.nat, e, x.m.m), x.m}
}

// Format prints nothing of the value: elements are secrets.
func (x Element) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "modexp.Element(redacted)") }

// copy gives Add, Sub and Mul, which work in place, something to work on: 0 + x. Reading x.Bytes() again would ask, by a branch,
// whether a secret is less than the modulus.
func (x *Element) copy() *bigmod.Nat {
	return bigmod.NewNat().ExpandFor(x.m.m).Add(x.nat, x.m.m)
}

// same returns y's number if it is of x's modulus.
func (x *Element) same(y *Element) *bigmod.Nat {
	if x.m != y.m {
		panic("modexp: elements of different moduli")
	}
	return y.nat
}
