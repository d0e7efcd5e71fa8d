package trust

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"strings"
	"testing"
)

func TestParseFingerprint(t *testing.T) {
	// FIPS 180-4's test vector: SHA-256("abc").
	const want = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	if got := FingerprintOf([]byte("abc")).String(); got != want {
		t.Fatalf("got %s", got)
	}
	var colons []string
	for i := 0; i < len(want); i += 2 {
		colons = append(colons, strings.ToUpper(want[i:i+2]))
	}
	for _, text := range []string{want, strings.ToUpper(want), strings.Join(colons, ":"), strings.Join(colons, " "), "\n\t" + want + " \r\n"} {
		f, err := ParseFingerprint(text)
		if err != nil || f.String() != want {
			t.Errorf("%q: %v, %v", text, f, err)
		}
	}
	for _, text := range []string{"", want[2:], want + "00", want[1:], "zz" + want[2:], "0x" + want, strings.Repeat(" ", 1000) + want} {
		if _, err := ParseFingerprint(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}

// TestAnnounced: DESIGN §3, "any case, with or without colons, algo missing (20 bytes
// is SHA-1, 32 SHA-256)".
func TestAnnounced(t *testing.T) {
	id := testIdentity(t, "x")
	other := testIdentity(t, "y")
	long := id.Fingerprint().String()
	sum := sha1.Sum(id.DER())
	short := hex.EncodeToString(sum[:])
	tests := []struct {
		algo, text, want string
	}{
		{"sha-256", long, AlgoSHA256},
		{"SHA-256", strings.ToUpper(long), AlgoSHA256},
		{"sha256", long, AlgoSHA256},
		{"", long, AlgoSHA256},
		{"sha-1", short, AlgoSHA1},
		{"", short, AlgoSHA1},
		{"SHA1", short, AlgoSHA1},
		{"sha-1", long, ""},
		{"sha-256", short, ""},
		{"sha-512", long, ""},
		{"", "", ""},
		{"", "abcd", ""},
		{"sha-256", "not hex", ""},
	}
	for _, tt := range tests {
		a, err := ParseAnnounced(tt.algo, tt.text)
		if (err == nil) != (tt.want != "") || a.Algo() != tt.want || a.IsZero() != (err != nil) {
			t.Errorf("%q %q: %v, %v", tt.algo, tt.text, a, err)
		}
		if got := a.Matches(id.Certificate.Leaf); got != (err == nil) {
			t.Errorf("%q %q: matches its certificate: %v", tt.algo, tt.text, got)
		}
		if a.Matches(other.Certificate.Leaf) || a.Matches(nil) {
			t.Errorf("%q %q: matches another certificate", tt.algo, tt.text)
		}
	}
	if a := Announce(id.Fingerprint()); a.String() != long || !a.Matches(id.Certificate.Leaf) {
		t.Errorf("announced as %v", a)
	}
}

func TestComparisonCode(t *testing.T) {
	var zero, one Fingerprint
	for i := range one {
		one[i] = byte(i)
	}
	// Computed by: python3 -c "import hashlib; d=hashlib.sha256(b'xtls-agent comparison
	// code 1\0'+bytes(32)+bytes(range(32))).digest(); print('%06d' % (int.from_bytes(d[:8],'big') % 10**6))"
	const want = "610266"
	if a, b := ComparisonCode(zero, one), ComparisonCode(one, zero); a != want || b != want {
		t.Errorf("got %s and %s, want %s", a, b, want)
	}
	seen := make(map[string]bool)
	for i := range 100 {
		one[31] = byte(i)
		code := ComparisonCode(zero, one)
		if len(code) != 6 || strings.Trim(code, "0123456789") != "" {
			t.Fatalf("%q is not 6 digits", code)
		}
		seen[code] = true
	}
	if len(seen) < 98 {
		t.Errorf("100 pairs give %d codes", len(seen))
	}
}

func FuzzParseAnnounced(f *testing.F) {
	f.Add("sha-256", strings.Repeat("AB:", 31)+"AB")
	f.Add("", strings.Repeat("0f", 20))
	f.Add("sha-1", "")
	f.Fuzz(func(t *testing.T, algo, text string) {
		a, err := ParseAnnounced(algo, text)
		if err != nil {
			return
		}
		again, err := ParseAnnounced(a.Algo(), a.String())
		if err != nil || again != a {
			t.Errorf("%v became %v, %v", a, again, err)
		}
	})
}

func FuzzCheckCertificate(f *testing.F) {
	id, err := NewIdentity("fuzz", testTime, randomForTests())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(id.DER())
	f.Fuzz(func(t *testing.T, der []byte) {
		cert, err := CheckCertificate(der)
		if err == nil && !bytes.Equal(cert.Raw, der) {
			t.Error("what was parsed is not what would be pinned")
		}
	})
}
