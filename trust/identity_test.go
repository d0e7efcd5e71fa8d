package trust

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

var testTime = time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)

func randomForTests() io.Reader { return rand.Reader }

func testIdentity(t testing.TB, name string) *Identity {
	t.Helper()
	id, err := NewIdentity(name, testTime, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// failingStore is a MemStore whose calls can be made to fail.
type failingStore struct {
	*MemStore
	read, write, remove error
	writes              int
}

func (s *failingStore) Read(name string) ([]byte, error) {
	if s.read != nil {
		return nil, s.read
	}
	return s.MemStore.Read(name)
}

func (s *failingStore) Write(name string, data []byte) error {
	s.writes++
	if s.write != nil {
		return s.write
	}
	return s.MemStore.Write(name, data)
}

func (s *failingStore) Remove(name string) error {
	if s.remove != nil {
		return s.remove
	}
	return s.MemStore.Remove(name)
}

func TestIdentityIsMadeOnceAndKept(t *testing.T) {
	store := NewMemStore()
	first, err := LoadIdentity(store, "box", testTime, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	second, err := LoadIdentity(store, "another name", testTime.AddDate(1, 0, 0), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if first.Fingerprint() != second.Fingerprint() || second.Certificate.Leaf.Subject.CommonName != "box" {
		t.Errorf("made %v, then loaded %v", first, second)
	}
	key, ok := second.Certificate.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		t.Errorf("key is %T", second.Certificate.PrivateKey)
	}
}

// TestIdentityIsNotReplacedOnError: DESIGN §5, damage means locked. A new identity would
// lose every pairing.
func TestIdentityIsNotReplacedOnError(t *testing.T) {
	store := &failingStore{MemStore: NewMemStore(), read: errors.New("damaged")}
	if _, err := LoadIdentity(store, "box", testTime, rand.Reader); !errors.Is(err, store.read) || store.writes != 0 {
		t.Errorf("read fails: %v, %d writes", err, store.writes)
	}
	store = &failingStore{MemStore: NewMemStore(), write: errors.New("disk full")}
	if id, err := LoadIdentity(store, "box", testTime, rand.Reader); !errors.Is(err, store.write) || id != nil {
		t.Errorf("write fails: %v, %v", id, err)
	}
}

func TestStoredIdentityMalformed(t *testing.T) {
	a, _ := testIdentity(t, "a").marshal("")
	b, _ := testIdentity(t, "b").marshal("")
	cut := bytes.Index(a, []byte("-----BEGIN PRIVATE"))
	cutB := bytes.Index(b, []byte("-----BEGIN PRIVATE"))
	tests := map[string][]byte{
		"empty":             nil,
		"certificate only":  a[:cut],
		"key only":          a[cut:],
		"key first":         append(bytes.Clone(a[cut:]), a[:cut]...),
		"key of another":    append(bytes.Clone(a[:cut]), b[cutB:]...),
		"something follows": append(bytes.Clone(a), "x"...),
		"truncated":         a[:len(a)-20],
	}
	for name, text := range tests {
		store := NewMemStore()
		_ = store.Write(IdentityFile, text)
		_, err := LoadIdentity(store, "box", testTime, rand.Reader)
		if err == nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), "BEGIN") {
			t.Errorf("%s: the error quotes the file: %v", name, err)
		}
		if got, _ := store.Read(IdentityFile); !bytes.Equal(got, text) {
			t.Errorf("%s: was written over", name)
		}
	}
}

// TestIdentityValidity: DESIGN §5, "valid from 1970 until 20 years after they were
// made (after the build date, if the clock is behind it)".
func TestIdentityValidity(t *testing.T) {
	built := buildDate()
	if built.Year() < 2026 {
		t.Fatalf("build date %v", built)
	}
	tests := []struct {
		name     string
		now, end time.Time
	}{
		{"clock in 1970", time.Unix(7, 0), built.AddDate(20, 0, 0)},
		{"clock right", built.AddDate(3, 0, 0), built.AddDate(23, 0, 0)},
		{"clock far ahead", time.Date(9998, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)},
	}
	for _, tt := range tests {
		id, err := NewIdentity("box", tt.now, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		leaf := id.Certificate.Leaf
		if !leaf.NotBefore.Equal(time.Unix(0, 0)) || !leaf.NotAfter.Equal(tt.end) {
			t.Errorf("%s: valid from %v until %v, want until %v", tt.name, leaf.NotBefore, leaf.NotAfter, tt.end)
		}
	}
}

func TestIdentityNames(t *testing.T) {
	tests := map[string]string{
		"Living-room box":         "Living-room box",
		"":                        "xtls-agent",
		"\x1b[31mred\x07":         "[31mred",
		"a\xffb\u202ec\n d":       "abc d",
		strings.Repeat("ä", 100):  strings.Repeat("ä", 64),
		"  spaces   in\tbetween ": "spaces in between",
	}
	for name, want := range tests {
		if got := testIdentity(t, name).Certificate.Leaf.Subject.CommonName; got != want {
			t.Errorf("%q became %q, want %q", name, got, want)
		}
		if again := CleanName(want); again != want {
			t.Errorf("%q is not stable: %q", want, again)
		}
	}
}

// TestSecretsAreNotPrinted: DESIGN §5, "no PIN, key, password or token at any level,
// nor by %v".
func TestSecretsAreNotPrinted(t *testing.T) {
	store := NewMemStore()
	id, err := LoadIdentity(store, "box", testTime, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := id.Certificate.PrivateKey.(*ecdsa.PrivateKey).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	d := new(big.Int).SetBytes(raw)
	var text strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&text, verb+verb+verb, id, *id, store)
	}
	slog.New(slog.NewTextHandler(&text, nil)).Info("x", "id", id, "value", *id, "store", store)
	slog.New(slog.NewJSONHandler(&text, nil)).Info("x", "id", id, "value", *id, "store", store)
	b, err := json.Marshal([]any{id, *id, store})
	if err != nil {
		t.Fatal(err)
	}
	text.Write(b)
	for _, secret := range []string{d.String(), d.Text(16), fmt.Sprint(d.Bytes()), "PRIVATE", "PrivateKey"} {
		if strings.Contains(text.String(), secret) {
			t.Errorf("printed %s", secret)
		}
	}
	if !strings.Contains(text.String(), id.Fingerprint().String()) {
		t.Error("the fingerprint is not printed")
	}
}

// TestIdentityInTLS: two identities talk mutual TLS 1.3.
func TestIdentityInTLS(t *testing.T) {
	device, owner := testIdentity(t, "device"), testIdentity(t, "owner")
	config := func(me *Identity, peer Fingerprint) *tls.Config {
		return &tls.Config{
			Certificates: []tls.Certificate{me.Certificate}, MinVersion: tls.VersionTLS13,
			ClientAuth: tls.RequireAnyClientCert, InsecureSkipVerify: true,
			VerifyConnection: func(s tls.ConnectionState) error {
				if FingerprintOf(s.PeerCertificates[0].Raw) != peer {
					return errors.New("another peer")
				}
				_, err := CheckCertificate(s.PeerCertificates[0].Raw)
				return err
			},
		}
	}
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	server := make(chan error, 1)
	go func() { server <- tls.Server(a, config(device, owner.Fingerprint())).Handshake() }()
	if err := tls.Client(b, config(owner, device.Fingerprint())).Handshake(); err != nil {
		t.Error(err)
	}
	if err := <-server; err != nil {
		t.Error(err)
	}
	// A verifier that does look at usages accepts both.
	roots := x509.NewCertPool()
	roots.AddCert(owner.Certificate.Leaf)
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth} {
		for _, now := range []time.Time{time.Unix(1, 0), testTime.AddDate(19, 0, 0)} {
			_, err := owner.Certificate.Leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{usage}, CurrentTime: now})
			if err != nil {
				t.Error(err)
			}
		}
	}
}

func TestCheckCertificate(t *testing.T) {
	ec := func(c elliptic.Curve) crypto.Signer { k, _ := ecdsa.GenerateKey(c, rand.Reader); return k }
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	rsa2048, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	past := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: time.Unix(9, 0)}
	issue := func(template *x509.Certificate, public any, signer crypto.Signer) []byte {
		der, err := x509.CreateCertificate(rand.Reader, template, template, public, signer)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	signer := ec(elliptic.P256())
	weak := &rsa.PublicKey{N: new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 1023), big.NewInt(1)), E: 65537}
	huge := &rsa.PublicKey{N: new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 8192), big.NewInt(1)), E: 65537}
	good := issue(past, signer.Public(), signer)
	big := *past
	big.DNSNames = []string{strings.Repeat("x", MaxCertificate)}
	tests := []struct {
		name string
		der  []byte
		ok   bool
	}{
		{"P-256, expired in 1970", good, true},
		{"P-384", issue(past, ec(elliptic.P384()).Public(), signer), true},
		{"Ed25519", issue(past, ed.Public(), ed), true},
		{"RSA 2048", issue(past, rsa2048.Public(), signer), true},
		{"RSA 1024", issue(past, weak, signer), false},
		{"RSA 8193", issue(past, huge, signer), false},
		{"P-224", issue(past, ec(elliptic.P224()).Public(), signer), false},
		{"P-521", issue(past, ec(elliptic.P521()).Public(), signer), false},
		{"something follows", append(bytes.Clone(good), 0), false},
		{"too large", issue(&big, signer.Public(), signer), false},
		{"empty", nil, false},
	}
	for _, tt := range tests {
		if _, err := CheckCertificate(tt.der); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	for n := range good {
		if _, err := CheckCertificate(good[:n]); err == nil {
			t.Errorf("%d of %d bytes were accepted", n, len(good))
		}
	}
}

func TestMemStore(t *testing.T) {
	s := NewMemStore()
	if _, err := s.Read("x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	data := []byte("one")
	_ = s.Write("x", data)
	data[0] = 'X'
	got, err := s.Read("x")
	if err != nil || string(got) != "one" {
		t.Errorf("got %q, %v", got, err)
	}
	if err := errors.Join(s.Remove("x"), s.Remove("x")); err != nil {
		t.Error(err)
	}
	if _, err := s.Read("x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Remove: %v", err)
	}
}
