// Package modexp on math/big: what the real one must not be. The tests of cttest build it in its place.
package modexp

import (
	"errors"
	"math/big"
)

type Modulus struct{ n *big.Int }

func NewModulus(n []byte) (*Modulus, error) { return &Modulus{new(big.Int).SetBytes(n)}, nil }

func (m *Modulus) Size() int { return (m.n.BitLen() + 7) / 8 }

type Element struct {
	x *big.Int
	m *Modulus
}

func (m *Modulus) Element(b []byte) (*Element, error) {
	x := new(big.Int).SetBytes(b)
	if len(b) > m.Size() || x.Cmp(m.n) >= 0 {
		return nil, errors.New("modexp: number is not less than the modulus")
	}
	return &Element{x, m}, nil
}

func (x *Element) Bytes() []byte { return x.x.FillBytes(make([]byte, x.m.Size())) }

func (x *Element) IsZero() bool { return x.x.Sign() == 0 }

func (x *Element) Add(y *Element) *Element { return x.m.reduce(new(big.Int).Add(x.x, y.x)) }

func (x *Element) Sub(y *Element) *Element { return x.m.reduce(new(big.Int).Sub(x.x, y.x)) }

func (x *Element) Mul(y *Element) *Element { return x.m.reduce(new(big.Int).Mul(x.x, y.x)) }

func (x *Element) Exp(e []byte) *Element {
	return &Element{new(big.Int).Exp(x.x, new(big.Int).SetBytes(e), x.m.n), x.m}
}

// A Base keeps no powers: math/big would not know what to do with them.
type Base struct{ x *Element }

func (x *Element) Base(int) *Base { return &Base{x} }

func (b *Base) Exp(e []byte) *Element { return b.x.Exp(e) }

func (m *Modulus) reduce(x *big.Int) *Element { return &Element{x.Mod(x, m.n), m} }
