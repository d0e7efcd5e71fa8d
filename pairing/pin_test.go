package pairing

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"strings"
	"testing"
)

func mustPIN(t testing.TB, s string) PIN {
	t.Helper()
	pin, err := ParsePIN(s)
	if err != nil {
		t.Fatalf("ParsePIN(%q): %v", s, err)
	}
	return pin
}

// words32 is a source of randomness that gives these 32-bit words, and then ends.
func words32(words ...uint32) io.Reader {
	var b bytes.Buffer
	for _, w := range words {
		b.Write(binary.BigEndian.AppendUint32(nil, w))
	}
	return &b
}

func TestNewPINTakesTheWordModuloTheSpace(t *testing.T) {
	pin, err := NewPIN(words32(3*pinSpace + 1_234_908))
	if err != nil {
		t.Fatal(err)
	}
	if got := pin.Digits(); got != "01234908" {
		t.Errorf("Digits() = %q, want 01234908", got)
	}
	if got := pin.Grouped(); got != "0123 4908" {
		t.Errorf("Grouped() = %q, want 0123 4908", got)
	}
}

// Words from 42·10^8 on would make the small PINs more likely than the others.
func TestNewPINRefusesBiasedWords(t *testing.T) {
	// The first two words would give 00000005 and 94967290; the third is in range.
	pin, err := NewPIN(words32(4_200_000_005, 4_294_967_290, 4_199_999_990))
	if err != nil {
		t.Fatal(err)
	}
	if got := pin.Digits(); got != "99999990" {
		t.Errorf("Digits() = %q, want 99999990, of the first word below 42·10^8", got)
	}
}

func TestNewPINRedrawsTrivialOnes(t *testing.T) {
	pin, err := NewPIN(words32(0, 12345678, 98765432, 90123456, 21098765, 11111111, 27182818))
	if err != nil {
		t.Fatal(err)
	}
	if got := pin.Digits(); got != "27182818" {
		t.Errorf("Digits() = %q, want the first that is not trivial", got)
	}
}

func TestNewPINOfABrokenSource(t *testing.T) {
	if _, err := NewPIN(bytes.NewReader(nil)); !errors.Is(err, io.EOF) {
		t.Errorf("of an empty source: %v, want io.EOF", err)
	}
	for _, b := range []byte{0x00, 0xff} {
		if pin, err := NewPIN(stuck(b)); err == nil {
			t.Errorf("of a source stuck at %#x: a PIN %v, want an error", b, pin)
		}
	}
}

type stuck byte

func (s stuck) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(s)
	}
	return len(p), nil
}

// Every digit at every place, within 6 sigma of its expectation.
func TestNewPINIsUniform(t *testing.T) {
	const n = 100_000
	src := mathrand.NewChaCha8([32]byte{1})
	var seen [pinDigits][10]int
	for range n {
		pin, err := NewPIN(src)
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range []byte(pin.Digits()) {
			seen[i][c-'0']++
		}
	}
	for i := range seen {
		for d, got := range seen[i] {
			if diff := got - n/10; diff < -570 || diff > 570 { // sigma is 95
				t.Errorf("digit %d at place %d: %d times of %d", d, i, got, n)
			}
		}
	}
}

func TestTrivialPINs(t *testing.T) {
	count := 0
	for start := range 10 {
		for _, step := range []int{0, 1, 9} {
			var s strings.Builder
			for i := range pinDigits {
				s.WriteByte(byte('0' + (start+i*step)%10))
			}
			if !mustPIN(t, s.String()).Trivial() {
				t.Errorf("%s is not trivial", s.String())
			}
			count++
		}
	}
	if count != 30 {
		t.Fatalf("%d trivial PINs tried", count)
	}
	for _, s := range []string{"12345679", "11111112", "02468024", "27182818", "98765431", "12121212"} {
		if mustPIN(t, s).Trivial() {
			t.Errorf("%s is trivial", s)
		}
	}
	if (PIN{}).Trivial() {
		t.Error("the zero PIN is trivial")
	}
}

func TestParsePIN(t *testing.T) {
	for _, s := range []string{"27182818", "2718 2818", "2718-2818", " 27 18 28 18 ", "2-7-1-8-2-8-1-8", "2718\u00a02818"} {
		if got := mustPIN(t, s).Digits(); got != "27182818" {
			t.Errorf("ParsePIN(%q) = %s", s, got)
		}
	}
	for _, test := range []struct {
		in   string
		want error
	}{
		{"", errPINEmpty}, {" - ", errPINEmpty},
		{"1234567", errPINLength}, {"123456789", errPINLength}, {strings.Repeat("1", 1000), errPINLength},
		{"hunter2secret", errPINLetters}, {"1234567O", errPINLetters}, {"1234\t5678", errPINLetters},
		{"12345678\n", errPINLetters}, {"١٢٣٤٥٦٧٨", errPINLetters}, {"12345678\x00", errPINLetters},
		{"+1234567", errPINLetters}, {"\xff2345678", errPINLetters},
	} {
		pin, err := ParsePIN(test.in)
		if !errors.Is(err, test.want) || !pin.IsZero() {
			t.Errorf("ParsePIN(%q) = %v, %v; want the error %v", test.in, pin, err, test.want)
		}
	}
}

// What was typed may be a password: no error repeats it.
func TestParsePINErrorsDoNotEcho(t *testing.T) {
	for _, in := range []string{"hunter2secret", "1234567x", "98", "123456789012"} {
		_, err := ParsePIN(in)
		if err == nil || strings.Contains(err.Error(), in) {
			t.Errorf("the error about %q says %v", in, err)
		}
	}
}

func TestPINEqual(t *testing.T) {
	a, b := mustPIN(t, "27182818"), mustPIN(t, "27182818")
	if !a.Equal(b) {
		t.Error("equal PINs differ")
	}
	for i := range pinDigits {
		d := []byte("27182818")
		d[i] ^= 1
		if a.Equal(mustPIN(t, string(d))) {
			t.Errorf("PINs that differ at place %d are equal", i)
		}
	}
	if (PIN{}).Equal(PIN{}) || a.Equal(PIN{}) || (PIN{}).Equal(a) {
		t.Error("the zero PIN equals something")
	}
	if (PIN{}).Digits() != "" || (PIN{}).Grouped() != "" || !(PIN{}).IsZero() {
		t.Error("the zero PIN has digits")
	}
}

// Rule "secrets in logs": nothing that prints a PIN, or something that holds one,
// prints its digits.
func TestPINIsRedacted(t *testing.T) {
	pin := mustPIN(t, "27182818")
	type holder struct {
		Open   PIN
		hidden PIN
		list   []PIN
	}
	h := holder{pin, pin, []PIN{pin}}
	var out []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%o", "%c", "%U", "%p"} {
		out = append(out, fmt.Sprintf(verb, pin), fmt.Sprintf(verb, &pin), fmt.Sprintf(verb, h), fmt.Sprintf(verb, &h))
	}
	text, err := json.Marshal(map[string]any{"pin": pin, "holder": h, "notice": Notice{PIN: pin}})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		l := slog.New(handler)
		l.Info("pin", "pin", pin, "holder", h, "ticket", Ticket{PIN: pin}, "effects", Effects{Notices: []Notice{{PIN: pin}}})
	}
	out = append(out, string(text), log.String(), fmt.Sprint(errors.New(pin.String())))
	for _, s := range out {
		for _, leak := range []string{"27182818", "2718 2818", "50 55 49", "3237", "0x32, 0x37", "'2' '7'"} {
			if strings.Contains(s, leak) {
				t.Errorf("%q holds the PIN", s)
			}
		}
	}
}

func FuzzParsePIN(f *testing.F) {
	for _, s := range []string{"27182818", "2718 2818", "2718-2818", "", "x", "123456789", "\u00a01", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		pin, err := ParsePIN(s)
		if err != nil {
			if !pin.IsZero() {
				t.Error("an error and a PIN")
			}
			return
		}
		if len(pin.Digits()) != pinDigits {
			t.Errorf("%d digits", len(pin.Digits()))
		}
		if got := mustPIN(t, pin.Grouped()); !got.Equal(pin) {
			t.Error("the PIN as grouped is another")
		}
		kept := strings.NewReplacer(" ", "", "-", "", "\u00a0", "").Replace(s)
		if kept != pin.Digits() {
			t.Errorf("%q gave %q", s, pin.Digits())
		}
	})
}

func BenchmarkNewPIN(b *testing.B) {
	for b.Loop() {
		if _, err := NewPIN(rand.Reader); err != nil {
			b.Fatal(err)
		}
	}
}
