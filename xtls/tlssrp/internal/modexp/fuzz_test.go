package modexp

import (
	"math/big"
	"testing"
)

// FuzzArithmetic: every operation gives what math/big gives; what is no element is refused.
func FuzzArithmetic(f *testing.F) {
	f.Add([]byte{0xff, 0xff, 0xff, 0xfb}, []byte{1, 2, 3}, []byte{4}, []byte{0, 5})
	f.Add([]byte{15}, []byte{14}, []byte{0}, []byte{})
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 1}, []byte{1, 0, 0, 0, 0, 0, 0, 0, 0}, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, []byte{0xff})
	f.Add([]byte{8}, []byte{}, []byte{9}, []byte{1})
	f.Fuzz(func(t *testing.T, n, a, b, e []byte) {
		if len(n) > 64 || len(e) > 64 {
			return
		}
		N, A, B := new(big.Int).SetBytes(n), new(big.Int).SetBytes(a), new(big.Int).SetBytes(b)
		m, err := NewModulus(n)
		if possible := N.Bit(0) == 1 && N.Cmp(big.NewInt(1)) > 0; (err == nil) != possible {
			t.Fatalf("modulus %v: %v", N, err)
		}
		if err != nil {
			return
		}
		x, errX := m.Element(a)
		y, errY := m.Element(b)
		for i, err := range []error{errX, errY} {
			raw, value := [][]byte{a, b}[i], []*big.Int{A, B}[i]
			if possible := value.Cmp(N) < 0 && len(raw) <= m.Size(); (err == nil) != possible {
				t.Fatalf("%x modulo %v: %v", raw, N, err)
			}
		}
		if errX != nil || errY != nil {
			return
		}
		mod := func(v *big.Int) *big.Int { return v.Mod(v, N) }
		for name, pair := range map[string]struct {
			got  *Element
			want *big.Int
		}{
			"sum": {x.Add(y), mod(new(big.Int).Add(A, B))}, "difference": {x.Sub(y), mod(new(big.Int).Sub(A, B))},
			"product": {x.Mul(y), mod(new(big.Int).Mul(A, B))}, "power": {x.Exp(e), new(big.Int).Exp(A, new(big.Int).SetBytes(e), N)},
			"square": {x.square(), mod(new(big.Int).Mul(A, A))}, "power by tables": {x.Base(len(e)).Exp(e), new(big.Int).Exp(A, new(big.Int).SetBytes(e), N)},
		} {
			if got := pair.got.Bytes(); new(big.Int).SetBytes(got).Cmp(pair.want) != 0 || len(got) != m.Size() {
				t.Fatalf("%s of %v and %v modulo %v: %x, want %v", name, A, B, N, got, pair.want)
			}
			if pair.got.IsZero() != (pair.want.Sign() == 0) {
				t.Fatalf("%s: IsZero of %v", name, pair.want)
			}
		}
	})
}
