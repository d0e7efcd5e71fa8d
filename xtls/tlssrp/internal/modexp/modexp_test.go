package modexp

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"math/big"
	"strings"
	"testing"
)

// sizes covers moduli with and without assembly in bigmod, and one whose top limb is not full.
var sizes = []int{65, 192, 257, 1024, 1536, 2048, 3072}

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

func TestAgainstMathBig(t *testing.T) {
	for _, bits := range sizes {
		n := randomOdd(t, bits)
		m, err := NewModulus(n.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		top := new(big.Int).Sub(n, big.NewInt(1))
		operands := []*big.Int{new(big.Int), big.NewInt(1), top, randomBelow(t, n), randomBelow(t, n)}
		for _, x := range operands {
			for _, y := range operands {
				compare(t, m, n, x, y)
			}
		}
	}
}

func compare(t *testing.T, m *Modulus, n, x, y *big.Int) {
	t.Helper()
	ex, ey := mustElement(t, m, x), mustElement(t, m, y)
	exponent := y.Bytes()
	if len(exponent) > 32 {
		exponent = exponent[:32]
	}
	for name, got := range map[string]struct {
		is   *Element
		want *big.Int
	}{
		"+": {ex.Add(ey), new(big.Int).Add(x, y)},
		"-": {ex.Sub(ey), new(big.Int).Sub(x, y)},
		"*": {ex.Mul(ey), new(big.Int).Mul(x, y)},
		"^": {ex.Exp(exponent), new(big.Int).Exp(x, new(big.Int).SetBytes(exponent), n)},
	} {
		want := got.want.Mod(got.want, n).FillBytes(make([]byte, m.Size()))
		if !bytes.Equal(got.is.Bytes(), want) {
			t.Errorf("%d bits: %v %s %v: got %x, want %x", n.BitLen(), x, name, y, got.is.Bytes(), want)
		}
	}
	if !bytes.Equal(ex.Bytes(), x.FillBytes(make([]byte, m.Size()))) {
		t.Error("an operation changed its operand")
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
		base, err := m.Element([]byte{5})
		if err != nil {
			b.Fatal(err)
		}
		exponent := bytes.Repeat([]byte{0xa5}, 32)
		b.Run(fmt.Sprint(bits), func(b *testing.B) {
			for b.Loop() {
				base.Exp(exponent)
			}
		})
	}
}
