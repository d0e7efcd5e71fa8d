package modexp

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// What is computed in blocks is what is computed row by row, for limbs that make every carry as large as it can be, also of numbers
// that are not less than N; and nothing is written that should not be.
func TestBlocks(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for name, limb := range map[string]func() uint{
		"random":   func() uint { return uint(random.Uint64()) },
		"all ones": func() uint { return ^uint(0) },
		"extremes": func() uint { return []uint{0, 1, ^uint(0), 1 << (wordBits - 1)}[random.IntN(4)] },
		"zeros":    func() uint { return 0 },
	} {
		t.Run(name, func(t *testing.T) {
			for n := block; n <= 9*block; n += block {
				for range 20 {
					modulus := limbs(n, limb)
					modulus[0] |= 1
					compareBlocks(t, modulus, limbs(n, limb), limbs(n, limb))
				}
			}
		})
	}
}

// FuzzBlocks does the same with limbs that somebody else chooses: first N's, then x's and y's.
func FuzzBlocks(f *testing.F) {
	f.Add(slices.Repeat([]byte{0xff}, 3*64))
	f.Add(slices.Repeat([]byte{1, 0, 0xff, 0x80}, 3*32))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := len(b) / (3 * block * wordBytes) * block
		if n == 0 || n > 9*block {
			return
		}
		limb := func() uint {
			x := make([]uint, 1)
			setBytes(x, b[:wordBytes])
			b = b[wordBytes:]
			return x[0]
		}
		modulus, x, y := limbs(n, limb), limbs(n, limb), limbs(n, limb)
		modulus[0] |= 1
		compareBlocks(t, modulus, x, y)
	})
}

func compareBlocks(t *testing.T, modulus, x, y []uint) {
	t.Helper()
	n := len(modulus)
	m := &Modulus{n: modulus, inv: minusInverse(modulus[0])}
	for name, way := range map[string]struct{ blocks, rows func(z, t []uint) }{
		"product": {func(z, s []uint) { m.mul(z, x, y, s) }, func(z, s []uint) { m.mulByRow(z, x, y, s) }},
		"square":  {func(z, s []uint) { m.square(z, x, s) }, func(z, s []uint) { m.squareByRow(z, x, s) }},
		"reduced": {
			func(z, s []uint) { copy(s, x); copy(s[n:], y); m.reduce(z, s) },
			func(z, s []uint) { copy(s, x); copy(s[n:], y); m.reduceByRow(z, s) },
		},
	} {
		dirty := func() uint { return 0xa5a5a5a5 }
		got, scratch, want := limbs(n+1, dirty), limbs(3*n+1, dirty), make([]uint, n)
		way.blocks(got, scratch[:3*n])
		way.rows(want, limbs(3*n, dirty))
		if !slices.Equal(got[:n], want) || got[n] != dirty() || scratch[3*n] != dirty() {
			t.Fatalf("%s of %x and %x modulo %x: %x, want %x", name, x, y, modulus, got, want)
		}
	}
}
