package main

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"xtls-agent/internal/prove"
)

// allowed are the places that may branch on what comes of a secret: how often in one pairing, and the reason why that tells nothing.
var allowed = map[string]struct {
	times int
	why   string
}{
	"modexp.(*Modulus).Element":                              {4, "is v, a, u or x less than its modulus? It is, always"},
	"srp.parseNonzero < srp.NewServer":                       {1, "is v 0? It is not, ever"},
	"srp.NewServer":                                          {1, "is B 0? B is public"},
	"bytes.TrimLeft < srp.minimal < srp.(*Server).Public":    {1, "B is public"},
	"bytes.TrimLeft < srp.minimal < srp.(*Client).Public":    {1, "A is public"},
	"bytes.Trim < srp.checkScrambler":                        {99, "u is public, being made of A and B"},
	"srp.checkScrambler":                                     {2, "u is public"},
	"bytes.TrimLeft < srp.minimal < srp.(*Client).Premaster": {1, "RFC 5054 §2.6 strips S. It is fresh with each handshake"},
	"bytes.TrimLeft < srp.minimal < srp.(*Server).Premaster": {1, "RFC 5054 §2.6 strips S"},
	"tlssrp.(*protection).open":                              {4, "the verdict on a record, which the peer learns: two Finished, two of data"},
	"tlssrp.(*handshakeState).readFinished":                  {2, "the verdict on Finished"},
	"pairing.NewPIN":                                         {4, "is the draw out of range, or trivial? Then it is thrown away"},
	"main.comparePINs":                                       {1, "the verdict on two PINs"},
}

// authentic marks what a record holds as public once its MAC was right: the peer said it. Else every length in it would be a secret.
func authentic(t *testing.T) []edit {
	t.Helper()
	inTLS := func(file string) edit {
		return edit{file: "xtls/tlssrp/" + file, new: strings.Replace(read(t, file), "package main", "package tlssrp", 1)}
	}
	return []edit{
		{"xtls/tlssrp/record.go", "\treturn unpad(plaintext)\n", "\tpublic(plaintext)\n\treturn unpad(plaintext)\n"},
		inTLS("secret_amd64.go"), inTLS("secret_amd64.s"),
	}
}

// DESIGN §3: what is computed from a, b, x or v runs in constant time. A whole pairing is run with all of them, and the PIN, marked; nothing
// branches on what comes of them, nor makes an address of it, but what is in the list. That of the four versions of the inner
// loop of package modexp.
func TestNothingBranchesOnASecret(t *testing.T) {
	t.Parallel()
	for name, inner := range innerLoops(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program := build(t, "amd64", "valgrind", append(authentic(t), inner.edits...)...)
			groups := []string{inner.group}
			if prove.Whole() {
				groups = []string{"2048", "3072", "4096"}
			}
			for _, group := range groups {
				checkAllowed(t, group, places(memcheck(t, program, group)))
			}
		})
	}
}

func checkAllowed(t *testing.T, group string, found map[string]int) {
	t.Helper()
	seen := make(map[string]int)
	for p, times := range found {
		a := allowedPlace(p)
		if a == "" {
			t.Errorf("%s bits: a branch or an address depends on a secret: %s", group, p)
		}
		seen[a] += times
	}
	for a, rule := range allowed {
		if n := seen[a]; n == 0 || n > rule.times {
			t.Errorf("%s bits: %s: %d times, not 1 to %d (%s)", group, a, n, rule.times, rule.why)
		}
	}
}

func allowedPlace(place string) string {
	for a := range allowed {
		if strings.HasPrefix(place, a) {
			return a
		}
	}
	return ""
}

// leaks are edits that make another program of ours, and where that must be seen to branch on a secret, or to make an address of it.
func leaks(t *testing.T) ([]edit, []string) {
	t.Helper()
	return append(withMathBig(t), []edit{
			{"xtls/tlssrp/record.go", "!hmac.Equal(sum, want)", "string(sum) != string(want)"},
			{"xtls/tlssrp/handshake.go", "!hmac.Equal(m.verifyData, want)", "string(m.verifyData) != string(want) || !hmac.Equal(nil, nil)"},
			{"pairing/pin.go", "return subtle.ConstantTimeCompare(a[:], b[:])", "return a == b && subtle.ConstantTimeCompare(a[:], b[:])"},
		}...), []string{
			"big.(*Int).Exp < modexp.(*Element).Exp < modexp.(*Base).Exp < srp.keyAndVerifier", // g^x
			"big.(*Int).Exp < modexp.(*Element).Exp < modexp.(*Base).Exp < srp.NewServer",      // g^b
			"big.(*Int).Exp < modexp.(*Element).Exp < modexp.(*Base).Exp < srp.NewClient",      // g^a
			"big.(*Int).Exp < modexp.(*Element).Exp < srp.(*Client).Premaster",                 // (B - k·v)^(a + u·x)
			"big.(*Int).Exp < modexp.(*Element).Exp < srp.(*Server).Premaster",                 // (A · v^u)^b
			"big.(*Int).Mul < modexp.(*Element).Mul < srp.exponent",                            // u·x
			"memeqbody < tlssrp.(*protection).open",
			"memeqbody < tlssrp.(*handshakeState).readFinished",
			"pairing.PIN.Equal",
			// And the processor: one without AES instructions looks AES up in tables. docs/security.md says so.
			"aes.(*CBCEncrypter).CryptBlocks < cbc.(*Cipher).Encrypt < tlssrp.(*protection).seal",
		}
}

// The same look at a version that is not constant-time: math/big computes, == compares, and AES has no instructions.
func TestMathBigBranchesOnSecrets(t *testing.T) {
	t.Parallel()
	edits, where := leaks(t)
	program := build(t, "amd64", "valgrind", append(authentic(t), edits...)...)
	found := places(memcheck(t, program, "3072", "cpu.aes=off"))
	seen := slices.Sorted(maps.Keys(found))
	for _, want := range where {
		if !slices.ContainsFunc(seen, func(p string) bool { return strings.HasPrefix(p, want) }) {
			t.Errorf("this version has a leak in %s, and that was not seen", want)
		}
	}
	if t.Failed() {
		t.Logf("seen:\n%s", strings.Join(seen, "\n"))
	}
}
