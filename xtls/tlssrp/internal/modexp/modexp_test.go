package modexp

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"filippo.io/bigmod"
)

// sizes covers numbers of one limb and of many, whole blocks of addMul's loops and not, on both kinds of words, and a highest limb that is
// full, nearly full and nearly empty.
var sizes = []int{2, 5, 31, 32, 33, 63, 64, 65, 127, 192, 256, 257, 300, 511, 512, 513, 608, 1000, 1024, 1536, 2047, 2048, 2049, 3072, 4096, 4160}

func randomOdd(t *testing.T, bits int) *big.Int {
	t.Helper()
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), uint(bits)))
	if err != nil {
		t.Fatal(err)
	}
	n.SetBit(n, bits-1, 1)
	return n.SetBit(n, 0, 1)
}

func randomBelow(t *testing.T, n *big.Int) *big.Int {
	t.Helper()
	x, err := rand.Int(rand.Reader, n)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// moduliOf returns moduli of a size: a random one, the largest and the smallest.
func moduliOf(t *testing.T, bits int) []*big.Int {
	one := big.NewInt(1)
	smallest := new(big.Int).Lsh(one, uint(bits-1))
	largest := new(big.Int).Lsh(one, uint(bits))
	return []*big.Int{randomOdd(t, bits), smallest.Add(smallest, one), largest.Sub(largest, one)}
}

// operandsOf returns numbers below n: the smallest, the largest, one whose limbs are as full as they can be, and random ones.
func operandsOf(t *testing.T, n *big.Int) []*big.Int {
	one := big.NewInt(1)
	ones := new(big.Int).Lsh(one, uint(n.BitLen()-1))
	return []*big.Int{new(big.Int), one, new(big.Int).Sub(n, one), ones.Sub(ones, one), randomBelow(t, n), randomBelow(t, n)}
}

func TestAgainstMathBigAndBigmod(t *testing.T) {
	for _, bits := range sizes {
		for _, n := range moduliOf(t, bits) {
			m, err := NewModulus(n.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			operands := operandsOf(t, n)
			for _, x := range operands {
				for _, y := range operands {
					compare(t, m, n, x, y)
				}
			}
		}
	}
}

func compare(t *testing.T, m *Modulus, n, x, y *big.Int) {
	t.Helper()
	ex, ey := mustElement(t, m, x), mustElement(t, m, y)
	for name, got := range map[string]struct {
		is   *Element
		want *big.Int
	}{
		"+": {ex.Add(ey), new(big.Int).Add(x, y)},
		"-": {ex.Sub(ey), new(big.Int).Sub(x, y)},
		"*": {ex.Mul(ey), new(big.Int).Mul(x, y)},
		"²": {ex.square(), new(big.Int).Mul(x, x)},
	} {
		want := got.want.Mod(got.want, n).FillBytes(make([]byte, m.Size()))
		if !bytes.Equal(got.is.Bytes(), want) {
			t.Errorf("modulo %v: %v %s %v: got %x, want %x", n, x, name, y, got.is.Bytes(), want)
		}
	}
	if !bytes.Equal(ex.Bytes(), x.FillBytes(make([]byte, m.Size()))) {
		t.Error("an operation changed its operand")
	}
}

// square is what Exp computes most.
func (x *Element) square() *Element {
	z := x.m.newElement()
	x.m.square(z.x, x.x, x.m.scratch())
	return z
}

// Both ways to compute a power give what math/big and bigmod give, for exponents of any length, with leading zeros and without.
func TestPowersAgainstMathBigAndBigmod(t *testing.T) {
	sizes := []int{2, 33, 64, 65, 257, 512, 608, 1024}
	if !testing.Short() { // as it is in QEMU
		sizes = append(sizes, 2048, 3072, 4096)
	}
	for _, bits := range sizes {
		n := randomOdd(t, bits)
		for _, x := range operandsOf(t, n)[:5] {
			comparePowers(t, n, x)
		}
	}
}

func comparePowers(t *testing.T, n, x *big.Int) {
	t.Helper()
	m, err := NewModulus(n.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	other, err := bigmod.NewModulus(n.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	nat, err := bigmod.NewNat().SetBytes(x.FillBytes(make([]byte, m.Size())), other)
	if err != nil {
		t.Fatal(err)
	}
	element := mustElement(t, m, x)
	base := element.Base(32)
	for _, e := range exponents(t) {
		want := new(big.Int).Exp(x, new(big.Int).SetBytes(e), n).FillBytes(make([]byte, m.Size()))
		for name, got := range map[string][]byte{
			"Element.Exp": element.Exp(e).Bytes(), "Base.Exp": base.Exp(e).Bytes(), "bigmod": bigmod.NewNat().Exp(nat, e, other).Bytes(other),
		} {
			if !bytes.Equal(got, want) {
				t.Errorf("%s: %v ^ %x modulo %v: got %x, want %x", name, x, e, n, got, want)
			}
		}
	}
}

func exponents(t *testing.T) [][]byte {
	t.Helper()
	list := [][]byte{nil, {0}, {1}, {0, 2}, {0xff}, make([]byte, 32), bytes.Repeat([]byte{0xff}, 32)}
	for _, length := range []int{3, 8, 20, 32} {
		e := make([]byte, length)
		if _, err := rand.Read(e); err != nil {
			t.Fatal(err)
		}
		list = append(list, e)
	}
	return list
}

// An exponent that is longer than what a base was made for is a mistake of the caller, and not a wrong power.
func TestBaseRefusesLongExponents(t *testing.T) {
	m, err := NewModulus([]byte{101})
	if err != nil {
		t.Fatal(err)
	}
	base := mustElement(t, m, big.NewInt(2)).Base(8)
	base.Exp(make([]byte, 8))
	defer func() {
		if recover() == nil {
			t.Error("9 bytes were accepted")
		}
	}()
	base.Exp(append([]byte{1}, make([]byte, 8)...))
}

func TestMixedModuliPanic(t *testing.T) {
	a, errA := NewModulus([]byte{101})
	b, errB := NewModulus([]byte{101})
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	x, y := mustElement(t, a, big.NewInt(2)), mustElement(t, b, big.NewInt(2))
	for name, mix := range map[string]func(){"Add": func() { x.Add(y) }, "Sub": func() { x.Sub(y) }, "Mul": func() { x.Mul(y) }} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s took elements of two moduli", name)
				}
			}()
			mix()
		}()
	}
}

func mustElement(t *testing.T, m *Modulus, x *big.Int) *Element {
	t.Helper()
	e, err := m.Element(x.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestElementRefusesWhatIsNotReduced(t *testing.T) {
	n := randomOdd(t, 256)
	m, err := NewModulus(n.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	next := new(big.Int).Add(n, big.NewInt(1))
	for name, b := range map[string][]byte{
		"N":               n.Bytes(),
		"N+1":             next.Bytes(),
		"all ones":        bytes.Repeat([]byte{0xff}, 32),
		"longer":          append([]byte{1}, make([]byte, 32)...),
		"longer, value 1": append(make([]byte, 32), 1),
	} {
		if _, err := m.Element(b); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	for name, b := range map[string][]byte{"nothing": nil, "0": make([]byte, 32), "padded 1": append(make([]byte, 31), 1)} {
		if _, err := m.Element(b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestModulusMustBeOdd(t *testing.T) {
	for _, n := range [][]byte{nil, {0}, {1}, {2}, {0xff, 0xfe}} {
		if _, err := NewModulus(n); err == nil {
			t.Errorf("%x was accepted", n)
		}
	}
}

func TestElementsDoNotPrint(t *testing.T) {
	m, err := NewModulus(bytes.Repeat([]byte{0xff}, 32))
	if err != nil {
		t.Fatal(err)
	}
	e := mustElement(t, m, big.NewInt(0x5ec7e7))
	for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%d", "%s"} {
		for _, s := range []string{fmt.Sprintf(verb, e), fmt.Sprintf(verb, *e)} {
			if strings.Contains(strings.ToLower(s), "5ec7e7") || strings.Contains(s, "6211559") {
				t.Errorf("%s prints %q", verb, s)
			}
		}
	}
}

func BenchmarkExp(b *testing.B) {
	for _, bits := range []int{2048, 3072, 4096} {
		n := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(bits)), big.NewInt(1))
		m, err := NewModulus(n.Bytes())
		if err != nil {
			b.Fatal(err)
		}
		x, err := m.Element([]byte{5})
		if err != nil {
			b.Fatal(err)
		}
		base, exponent, t := x.Base(32), bytes.Repeat([]byte{0xa5}, 32), m.scratch()
		for name, f := range map[string]func(){
			"power":        func() { x.Exp(exponent) },
			"power of g":   func() { base.Exp(exponent) },
			"table of g":   func() { x.Base(32) },
			"product":      func() { m.mul(x.x, x.x, x.x, t) },
			"square":       func() { m.square(x.x, x.x, t) },
			"addMul":       func() { addMul(t[:len(m.n)], m.n, 0x12345671) },
			"subtractOnce": func() { m.subtractOnce(t, m.n, 0) },
		} {
			b.Run(fmt.Sprintf("%d/%s", bits, name), func(b *testing.B) {
				for b.Loop() {
					f()
				}
			})
		}
	}
}
