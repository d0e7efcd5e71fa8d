package trust

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"testing"
	"time"
)

// A Pi boots in 1970, and its certificate may be older or newer than any clock: dates mean nothing.
func TestDatesOfACertificateMeanNothing(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, year := range []int{1970, 1999, 2026, 2400} {
		from := time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
		template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: from, NotAfter: from.AddDate(0, 1, 0)}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := CheckCertificate(der); err != nil {
			t.Errorf("a certificate of %d: %v", year, err)
		}
	}
}
