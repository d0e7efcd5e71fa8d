package modexp

// A Base is a number that many powers are computed of. It keeps some powers of it, 64 times as many bytes as the modulus has for
// exponents of 256 bits; to compute them takes about as long as one Exp.
//
// C. H. Lim and P. J. Lee, More Flexible Exponentiation with Precomputation, CRYPTO '94: an exponent is cut into words of combBits, four
// of them to a block. For each block there is a table of the products of x^(2^(combBits·j)), j being those of its four words that are in
// the product. An exponentiation then goes through all words at once, bit by bit from the left.
type Base struct {
	m      *Modulus
	blocks []table
}

const (
	combBits      = 16
	wordsPerBlock = digitBits // a table has an entry for each of their sets
	bytesPerWord  = combBits / 8
	bytesPerBlock = wordsPerBlock * bytesPerWord
)

// Base prepares x for exponents of up to maxLen bytes. x itself is no secret.
func (x *Element) Base(maxLen int) *Base {
	m, t := x.m, x.m.scratch()
	b := &Base{m, make([]table, (maxLen+bytesPerBlock-1)/bytesPerBlock)}
	power := append([]uint(nil), x.x...) // x^(2^(combBits·j)) for the words j of all blocks
	for i := range b.blocks {
		var products [digitSize][]uint
		products[0] = m.one
		for set := 1; set < digitSize; set++ {
			products[set] = make([]uint, len(m.n))
			if without := set & (set - 1); without != 0 {
				m.mul(products[set], products[without], products[set&-set], t)
				continue
			}
			copy(products[set], power)
			for range combBits {
				m.square(power, power, t)
			}
		}
		b.blocks[i] = newTable(&products)
	}
	return b
}

// Exp returns x^e for a big-endian e of up to the length that the base was made for. That length is public, leading zeros are not.
func (b *Base) Exp(e []byte) *Element {
	m := b.m
	z, factor, t := &Element{append([]uint(nil), m.one...), m}, make([]uint, len(m.n)), m.scratch()
	words := combWords(e)
	for bit := combBits - 1; bit >= 0; bit-- {
		if bit < combBits-1 {
			m.square(z.x, z.x, t)
		}
		for i := range len(words) / wordsPerBlock {
			b.blocks[i].get(factor, columnOf(words[wordsPerBlock*i:], bit))
			m.mul(z.x, z.x, factor, t)
		}
	}
	return z
}

// combWords cuts e into words of combBits, the lowest first, as many as fill blocks.
func combWords(e []byte) []uint {
	words := make([]uint, (len(e)+bytesPerBlock-1)/bytesPerBlock*wordsPerBlock)
	for i := range e {
		words[i/bytesPerWord] |= uint(e[len(e)-1-i]) << (i % bytesPerWord * 8)
	}
	return words
}

// columnOf returns the same bit of the words of a block as a number.
func columnOf(words []uint, bit int) uint {
	var set uint
	for j, w := range words[:wordsPerBlock] {
		set |= w >> bit & 1 << j
	}
	return set
}
