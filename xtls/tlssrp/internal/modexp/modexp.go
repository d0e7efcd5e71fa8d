// Package modexp is arithmetic modulo an odd number, in constant time.
//
// What an operation takes, in time and memory access, depends on the sizes of modulus and exponent and on nothing else. It is not a
// bignum library: no parsing, no printing, no other operations than those that SRP needs. It is Montgomery's arithmetic on limbs of
// a machine word, with inner loops in assembly; docs/design/006-montgomery.md says what is computed how, and why.
package modexp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// A Modulus is an odd number greater than 1.
type Modulus struct {
	size int    // of N in bytes
	n    []uint // N
	inv  uint   // -1/N modulo 2^wordBits
	one  []uint // R modulo N: what stands for 1
	rr   []uint // R² modulo N
}

// NewModulus takes the modulus as big-endian bytes. It is public: its value shows in the time that this takes.
func NewModulus(n []byte) (*Modulus, error) {
	n = bytes.TrimLeft(n, "\x00")
	if len(n) == 0 || n[len(n)-1]&1 == 0 || len(n) == 1 && n[0] == 1 {
		return nil, errors.New("modexp: the modulus must be odd and greater than 1")
	}
	m := &Modulus{size: len(n), n: make([]uint, (len(n)+wordBytes-1)/wordBytes)}
	setBytes(m.n, n)
	m.inv = minusInverse(m.n[0])
	m.one = m.powerOfTwo(0)
	m.rr = m.powerOfTwo(wordBits * uint(len(m.n)))
	return m, nil
}

// Size returns the length of an element in bytes.
func (m *Modulus) Size() int { return m.size }

// An Element is a number in [0, N). It remembers its modulus; mixing moduli is a mistake of the caller and panics.
type Element struct {
	x []uint // R times the number, modulo N
	m *Modulus
}

func (m *Modulus) newElement() *Element { return &Element{make([]uint, len(m.n)), m} }

// Element reads a big-endian number. One that is N or greater, or has more bytes than N, is an error.
func (m *Modulus) Element(b []byte) (*Element, error) {
	if len(b) > m.size {
		return nil, errors.New("modexp: number is longer than the modulus")
	}
	e := m.newElement()
	setBytes(e.x, b)
	if lessThan(e.x, m.n) == 0 {
		return nil, errors.New("modexp: number is not less than the modulus")
	}
	m.mul(e.x, e.x, m.rr, m.scratch())
	return e, nil
}

// Bytes returns the element as Size bytes, big-endian.
func (x *Element) Bytes() []byte {
	t := x.m.scratch()
	copy(t, x.x)
	plain := make([]uint, len(x.x))
	x.m.reduce(plain, t)
	b := make([]byte, x.m.size)
	putBytes(b, plain)
	return b
}

// IsZero tells whether x is 0. What it returns is of course no secret any more.
func (x *Element) IsZero() bool {
	var any uint
	for _, limb := range x.x {
		any |= limb
	}
	return any == 0
}

// Add returns x + y.
func (x *Element) Add(y *Element) *Element {
	sum := x.m.newElement()
	x.m.add(sum.x, x.x, x.same(y))
	return sum
}

// Sub returns x - y.
func (x *Element) Sub(y *Element) *Element {
	difference := x.m.newElement()
	x.m.sub(difference.x, x.x, x.same(y))
	return difference
}

// Mul returns x · y.
func (x *Element) Mul(y *Element) *Element {
	product := x.m.newElement()
	x.m.mul(product.x, x.x, x.same(y), x.m.scratch())
	return product
}

// Format prints nothing of the value: elements are secrets.
func (x Element) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "modexp.Element(redacted)") }

// same returns y's number if it is of x's modulus.
func (x *Element) same(y *Element) []uint {
	if x.m != y.m {
		panic("modexp: elements of different moduli")
	}
	return y.x
}
