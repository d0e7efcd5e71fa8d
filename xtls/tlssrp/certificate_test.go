package tlssrp

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"sync"
	"testing"
	"time"
)

var testRSAKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// certificateEpoch is when the certificates of the tests begin to be valid; they are so for an hour.
var certificateEpoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// testCertificates makes a self-signed certificate for box.example.
func testCertificates(t testing.TB) []tls.Certificate {
	return certificatesWithUsage(t, x509.KeyUsageDigitalSignature)
}

func certificatesWithUsage(t testing.TB, usage x509.KeyUsage) []tls.Certificate {
	t.Helper()
	certificates, err := makeCertificates(usage)
	if err != nil {
		t.Fatal(err)
	}
	return certificates
}

func makeCertificates(usage x509.KeyUsage) ([]tls.Certificate, error) {
	key, err := testRSAKey()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "box.example"},
		DNSNames:              []string{"box.example"},
		NotBefore:             certificateEpoch,
		NotAfter:              certificateEpoch.Add(time.Hour),
		KeyUsage:              usage,
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, nil
}

// rootsOf trusts a self-signed certificate.
func rootsOf(t testing.TB, certificates []tls.Certificate) *x509.CertPool {
	t.Helper()
	certificate, err := x509.ParseCertificate(certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(certificate)
	return pool
}
