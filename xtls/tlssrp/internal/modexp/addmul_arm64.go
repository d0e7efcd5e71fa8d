//go:build !purego

package modexp

//go:noescape
func addMulUMULH(z, x *uint, n int, y uint) (carry uint)

// addMul sets z += x·y, over the length of z, which is not 0, and returns the carry.
func addMul(z, x []uint, y uint) (carry uint) {
	x = x[:len(z)]
	return addMulUMULH(&z[0], &x[0], len(z), y)
}
