//go:build !purego

package modexp

import (
	"math/big"
	"math/rand/v2"
	"testing"
)

// squareADX gives the square, not yet reduced, and writes nothing else.
func TestSquareADX(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	for n := block; n <= 9*block; n += block {
		for range 20 {
			checkSquare(t, limbs(n, func() uint { return uint(random.Uint64()) }))
			checkSquare(t, limbs(n, func() uint { return []uint{0, 1, ^uint(0), 1 << (wordBits - 1)}[random.IntN(4)] }))
		}
		checkSquare(t, limbs(n, func() uint { return ^uint(0) }))
	}
}

func checkSquare(t *testing.T, x []uint) {
	t.Helper()
	n := len(x)
	square := limbs(2*n+1, func() uint { return 77 })
	squareADX(&square[0], &x[0], n/block)
	if want := new(big.Int).Mul(number(x), number(x)); number(square[:2*n]).Cmp(want) != 0 || square[2*n] != 77 {
		t.Fatalf("square of %x: %x, want %x", x, square, want)
	}
}

// What the rows of a square carry goes into the last block's products. With this number all limbs that it can go through are full.
func TestSquareCarriesThroughTheLastBlock(t *testing.T) {
	const full = ^uint(0)
	x := append(limbs(block, func() uint { return full }),
		full-0xc0<<48, full-1<<56, full>>6, 1<<60, 1<<62, 1<<63, full, 1)
	checkSquare(t, x)
}
