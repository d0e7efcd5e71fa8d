package modexp

// digitBits is the size of the digits in which an exponent is read. 4 is best from 100 to 500 bits: with 5, what is saved
// in multiplications goes into a table twice as large, which is read whole each time.
const (
	digitBits = 4
	digitSize = 1 << digitBits
)

// Exp returns x^e for a big-endian e. The length of e is public, its leading zeros are not.
//
// It reads e in digits from the left: four squarings, and a multiplication by one of x^0 … x^15, also if it is x^0.
func (x *Element) Exp(e []byte) *Element {
	m := x.m
	z := &Element{append([]uint(nil), m.one...), m}
	if len(e) == 0 {
		return z
	}
	t, factor := m.scratch(), make([]uint, len(m.n))
	powers := m.powersOf(x.x, t)
	powers.get(z.x, digit(e, 0))
	for i := 1; i < 2*len(e); i++ {
		for range digitBits {
			m.square(z.x, z.x, t)
		}
		powers.get(factor, digit(e, i))
		m.mul(z.x, z.x, factor, t)
	}
	return z
}

// digit returns the i-th digit of e from the left.
func digit(e []byte, i int) uint {
	return uint(e[i/2]>>(digitBits*(1-i%2))) % digitSize
}

// powersOf returns x^0 … x^15.
func (m *Modulus) powersOf(x, t []uint) table {
	var powers [digitSize][]uint
	powers[0], powers[1] = m.one, x
	for i := 2; i < digitSize; i++ {
		powers[i] = make([]uint, len(m.n))
		if i%2 == 0 {
			m.square(powers[i], powers[i/2], t)
		} else {
			m.mul(powers[i], powers[i-1], x, t)
		}
	}
	return newTable(&powers)
}

// A table has digitSize numbers: first the lowest limb of each, then the next of each, and so on.
type table [][digitSize]uint

func newTable(numbers *[digitSize][]uint) table {
	t := make(table, len(numbers[0]))
	for i := range t {
		for k, x := range numbers {
			t[i][k] = x[i]
		}
	}
	return t
}

// get sets z to number k. It reads all of them, so that no address tells which.
//
//go:norace
func (t table) get(z []uint, k uint) {
	var m [digitSize]uint
	for i := range m {
		m[i] = mask(((uint(i) ^ k) - 1) >> (wordBits - 1))
	}
	z = z[:len(t)]
	for i := range t {
		e := &t[i]
		z[i] = e[0]&m[0] | e[1]&m[1] | e[2]&m[2] | e[3]&m[3] |
			e[4]&m[4] | e[5]&m[5] | e[6]&m[6] | e[7]&m[7] |
			e[8]&m[8] | e[9]&m[9] | e[10]&m[10] | e[11]&m[11] |
			e[12]&m[12] | e[13]&m[13] | e[14]&m[14] | e[15]&m[15]
	}
}
