package modexp

import "math/bits"

// A number x modulo N is kept as x·R modulo N, where R is 2^wordBits to the number of N's limbs. The product of two such, divided by R,
// is such a number again, and to divide by R is cheap: multiples of N are added until the lower half is 0 (P. Montgomery, Modular
// Multiplication Without Trial Division, 1985). Functions take reduced numbers and leave reduced ones. z may be x or y.

// scratch returns room for a product, and for a factor.
func (m *Modulus) scratch() []uint { return make([]uint, 3*len(m.n)) }

// mulByRow is mul, a call for each row. The multiples of x and of N are added in turn, so that each limb of t is used while it is near.
//
//go:norace
func (m *Modulus) mulByRow(z, x, y, t []uint) {
	n := len(m.n)
	t = t[:2*n]
	clear(t)
	var carry uint
	for i, limb := range y[:n] {
		high := addMul(t[i:i+n], x, limb)
		highN := addMul(t[i:i+n], m.n, t[i]*m.inv)
		t[i+n], carry = bits.Add(high, highN, carry)
	}
	m.subtractOnce(z, t[n:], carry)
}

// squareByRow is square, a call for each row. Each product of two different limbs is computed once and doubled.
//
//go:norace
func (m *Modulus) squareByRow(z, x, t []uint) {
	n := len(m.n)
	t, rest := t[:2*n], t[2*n:3*n]
	clear(t)
	copy(rest, x)
	for i, limb := range x[:n-1] {
		rest[i] = 0 // and so it may be among those that are multiplied: addMul is quicker on whole blocks
		from := (i + 1) &^ (block - 1)
		t[i+n] = addMul(t[i+from:i+n], rest[from:], limb)
	}
	doubleAndAddSquares(t, x)
	m.reduceByRow(z, t)
}

// doubleAndAddSquares sets t = 2t + Σ x[i]² · 2^(2i·wordBits).
//
//go:norace
func doubleAndAddSquares(t, x []uint) {
	var carry, shifted uint
	for i, limb := range x {
		pair := t[2*i : 2*i+2 : 2*i+2]
		low, high := pair[0], pair[1]
		squareHigh, squareLow := bits.Mul(limb, limb)
		pair[0], carry = bits.Add(low<<1|shifted, squareLow, carry)
		pair[1], carry = bits.Add(high<<1|low>>(wordBits-1), squareHigh, carry)
		shifted = high >> (wordBits - 1)
	}
}

// reduceByRow is reduce, a call for each row.
//
//go:norace
func (m *Modulus) reduceByRow(z, t []uint) {
	n := len(m.n)
	t = t[:2*n]
	var carry uint
	for i := range n {
		high := addMul(t[i:i+n], m.n, t[i]*m.inv)
		t[i+n], carry = bits.Add(t[i+n], high, carry)
	}
	m.subtractOnce(z, t[n:], carry)
}

// subtractOnce sets z to t modulo N for a number less than 2N: t, with a carry before it.
func (m *Modulus) subtractOnce(z, t []uint, carry uint) {
	borrow := subTo(z[:len(m.n)], t, m.n)
	addMasked(z[:len(m.n)], m.n, mask(borrow&^carry)) // it was less than N
}

// add sets z = x + y.
func (m *Modulus) add(z, x, y []uint) {
	carry := addTo(z, x, y)
	m.subtractOnce(z, z, carry)
}

// sub sets z = x - y.
func (m *Modulus) sub(z, x, y []uint) {
	borrow := subTo(z, x, y)
	addMasked(z, m.n, mask(borrow))
}

// powerOfTwo returns what stands for 2^k. R is 2^wordBits to the number of limbs, so that for 1 is 2 doubled often enough; that for 2^k
// comes of it by squaring and doubling, from k's highest bit. All this is public.
func (m *Modulus) powerOfTwo(k uint) []uint {
	z, t := make([]uint, len(m.n)), m.scratch()
	top := len(m.n) - 1
	topBit := bits.Len(m.n[top]) - 1
	z[top] = 1 << topBit // the highest power of 2 below N
	for range wordBits - topBit {
		m.add(z, z, z)
	}
	for i := bits.Len(k) - 1; i >= 0; i-- {
		m.square(z, z, t)
		if k>>i&1 == 1 {
			m.add(z, z, z)
		}
	}
	return z
}

// minusInverse returns -1/x modulo 2^wordBits for an odd x. Each step doubles the number of lower bits that are right, from the 3 of x.
func minusInverse(x uint) uint {
	y := x
	for right := 3; right < wordBits; right *= 2 {
		y *= 2 - x*y
	}
	return -y
}
