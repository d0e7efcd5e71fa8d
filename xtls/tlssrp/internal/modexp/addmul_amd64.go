//go:build !purego

package modexp

import "golang.org/x/sys/cpu"

// hasBMI2: the processor has MULX, as those made since about 2013 do.
var hasBMI2 = cpu.X86.HasBMI2

//go:noescape
func addMulBMI2(z, x *uint, n int, y uint) (carry uint)

//go:noescape
func addMulMULQ(z, x *uint, n int, y uint) (carry uint)

// addMul sets z += x·y, over the length of z, which is not 0, and returns the carry.
func addMul(z, x []uint, y uint) (carry uint) {
	x = x[:len(z)]
	if hasBMI2 {
		return addMulBMI2(&z[0], &x[0], len(z), y)
	}
	return addMulMULQ(&z[0], &x[0], len(z), y)
}
