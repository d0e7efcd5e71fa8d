package modexp

import "math/bits"

// block is a number of limbs that addMul has a loop for, in every version: it is quicker on a multiple of it.
const block = 8

// addMulPortable is addMul for processors that it was not written for, and what the others must agree with.
//
//go:norace
func addMulPortable(z, x []uint, y uint) (carry uint) {
	x = x[:len(z)]
	for i := range z {
		high, low := bits.Mul(x[i], y)
		low, c := bits.Add(low, z[i], 0)
		high += c // at most 2^wordBits - 2 before
		z[i], c = bits.Add(low, carry, 0)
		carry = high + c
	}
	return carry
}
