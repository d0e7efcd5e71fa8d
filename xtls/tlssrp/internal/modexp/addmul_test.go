package modexp

import (
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
)

// Every version of addMul gives what the portable one gives, and that gives what math/big gives: for each length that the loops tell
// apart, for random limbs, and for such that make every carry as large as it can be.
func TestAddMul(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	fill := map[string]func() uint{
		"random":   func() uint { return uint(random.Uint64()) },
		"all ones": func() uint { return ^uint(0) },
		"zeros":    func() uint { return 0 },
		"extremes": func() uint { return []uint{0, 1, ^uint(0), 1 << (wordBits - 1)}[random.IntN(4)] },
	}
	for name, limb := range fill {
		for n := 1; n <= 70; n++ {
			for range 20 {
				z, x, y := limbs(n, limb), limbs(n, limb), limb()
				want := slices.Clone(z)
				carry := addMulPortable(want, x, y)
				checkSum(t, want, carry, z, x, y)
				for version, f := range versions() {
					// What stands behind z and x must not count.
					longZ, longX := append(slices.Clone(z), 77, 78), append(slices.Clone(x), limb(), limb())
					got := f(longZ[:n], longX, y)
					if got != carry || !slices.Equal(longZ[:n], want) || longZ[n] != 77 || longZ[n+1] != 78 {
						t.Fatalf("%s, %s: %x + %x·%x is %x %x, want %x %x", version, name, z, x, y, got, longZ, carry, want)
					}
				}
			}
		}
	}
}

func limbs(n int, limb func() uint) []uint {
	x := make([]uint, n)
	for i := range x {
		x[i] = limb()
	}
	return x
}

func number(x []uint) *big.Int {
	b := make([]byte, len(x)*wordBytes)
	putBytes(b, x)
	return new(big.Int).SetBytes(b)
}

// checkSum checks that sum and carry are z + x·y.
func checkSum(t *testing.T, sum []uint, carry uint, z, x []uint, y uint) {
	t.Helper()
	want := new(big.Int).Mul(number(x), number([]uint{y}))
	if want.Add(want, number(z)); number(append(slices.Clone(sum), carry)).Cmp(want) != 0 {
		t.Fatalf("portable: %x + %x·%x is %x %x, want %x", z, x, y, carry, sum, want)
	}
}

// A table gives the number that was asked for, and nothing for what it has not.
func TestTable(t *testing.T) {
	const n = 5
	random := rand.New(rand.NewPCG(3, 4))
	var numbers [digitSize][]uint
	for k := range numbers {
		numbers[k] = limbs(n, func() uint { return uint(random.Uint64()) })
	}
	table, z := newTable(&numbers), make([]uint, n)
	for k, want := range numbers {
		if table.get(z, uint(k)); !slices.Equal(z, want) {
			t.Errorf("number %d is %x, want %x", k, z, want)
		}
	}
}
