//go:build purego || !(amd64 || arm64 || arm.6)

package modexp

// addMul sets z += x·y, over the length of z, and returns the carry. All of this package's time is spent here.
func addMul(z, x []uint, y uint) (carry uint) { return addMulPortable(z, x, y) }
