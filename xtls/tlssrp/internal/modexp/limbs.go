package modexp

import "math/bits"

// A number is a slice of limbs, the lowest first. Its length is public, its value is not: no function here branches on a value, or
// makes an address of one.
const (
	wordBits  = bits.UintSize
	wordBytes = wordBits / 8
)

// setBytes sets x, which is all zeros, to the big-endian number b, which fits.
func setBytes(x []uint, b []byte) {
	for i := range b {
		x[i/wordBytes] |= uint(b[len(b)-1-i]) << (i % wordBytes * 8)
	}
}

// putBytes sets b to the lowest len(b) bytes of x, big-endian.
func putBytes(b []byte, x []uint) {
	for i := range b {
		b[len(b)-1-i] = byte(x[i/wordBytes] >> (i % wordBytes * 8))
	}
}

// lessThan returns 1 if x < y, else 0.
//
//go:norace
func lessThan(x, y []uint) uint {
	y = y[:len(x)]
	var borrow uint
	for i := range x {
		_, borrow = bits.Sub(x[i], y[i], borrow)
	}
	return borrow
}

// addTo sets z = x + y and returns the carry. Of four additions, three find the carry in the processor's flag.
//
//go:norace
func addTo(z, x, y []uint) (carry uint) {
	i := 0
	for ; i+4 <= len(z); i += 4 {
		w, u, v := (*[4]uint)(z[i:]), (*[4]uint)(x[i:]), (*[4]uint)(y[i:])
		w[0], carry = bits.Add(u[0], v[0], carry)
		w[1], carry = bits.Add(u[1], v[1], carry)
		w[2], carry = bits.Add(u[2], v[2], carry)
		w[3], carry = bits.Add(u[3], v[3], carry)
	}
	for ; i < len(z); i++ {
		z[i], carry = bits.Add(x[i], y[i], carry)
	}
	return carry
}

// subTo sets z = x - y and returns the borrow.
//
//go:norace
func subTo(z, x, y []uint) (borrow uint) {
	i := 0
	for ; i+4 <= len(z); i += 4 {
		w, u, v := (*[4]uint)(z[i:]), (*[4]uint)(x[i:]), (*[4]uint)(y[i:])
		w[0], borrow = bits.Sub(u[0], v[0], borrow)
		w[1], borrow = bits.Sub(u[1], v[1], borrow)
		w[2], borrow = bits.Sub(u[2], v[2], borrow)
		w[3], borrow = bits.Sub(u[3], v[3], borrow)
	}
	for ; i < len(z); i++ {
		z[i], borrow = bits.Sub(x[i], y[i], borrow)
	}
	return borrow
}

// addMasked sets z += y & mask, and drops the carry.
//
//go:norace
func addMasked(z, y []uint, mask uint) {
	var carry uint
	i := 0
	for ; i+4 <= len(z); i += 4 {
		w, v := (*[4]uint)(z[i:]), (*[4]uint)(y[i:])
		w[0], carry = bits.Add(w[0], v[0]&mask, carry)
		w[1], carry = bits.Add(w[1], v[1]&mask, carry)
		w[2], carry = bits.Add(w[2], v[2]&mask, carry)
		w[3], carry = bits.Add(w[3], v[3]&mask, carry)
	}
	for ; i < len(z); i++ {
		z[i], carry = bits.Add(z[i], y[i]&mask, carry)
	}
}

// mask returns all ones for 1, and 0 for 0.
func mask(bit uint) uint { return -bit }
