package tlssrp

import (
	"crypto"
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
	key, err := testRSAKey()
	if err != nil {
		t.Fatal(err)
	}
	certificates, err := makeCertificates(key, usage)
	if err != nil {
		t.Fatal(err)
	}
	return certificates
}

func makeCertificates(key crypto.Signer, usage x509.KeyUsage) ([]tls.Certificate, error) {
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

// The _RSA suites: certificate and signature are checked, RFC 5054 §2.5.2 and §2.5.3.
func TestCertificates(t *testing.T) {
	good := testCertificates(t)
	suite := []uint16{TLS_SRP_SHA_RSA_WITH_AES_256_CBC_SHA}
	base := func() (client, server *Config) {
		client, server = smallClientConfig(), serverConfig(testVerifier(t, smallGroup()))
		client.CipherSuites, server.CipherSuites = suite, suite
		client.ServerName, client.RootCAs = "box.example", rootsOf(t, good)
		client.Time = func() time.Time { return certificateEpoch.Add(time.Minute) }
		server.Certificates = good
		return client, server
	}
	for name, tt := range map[string]struct {
		change func(client, server *Config)
		want   AlertError
	}{
		"good": {func(_, _ *Config) {}, 0},
		"expired": {func(c, _ *Config) {
			c.Time = func() time.Time { return certificateEpoch.Add(2 * time.Hour) }
		}, AlertBadCertificate},
		"other name":   {func(c, _ *Config) { c.ServerName = "other.example" }, AlertBadCertificate},
		"unknown root": {func(c, _ *Config) { c.RootCAs = x509.NewCertPool() }, AlertBadCertificate},
		"unverified":   {func(c, _ *Config) { c.RootCAs, c.InsecureSkipVerify = x509.NewCertPool(), true }, 0},
		"not to sign":  {func(_, s *Config) { s.Certificates = certificatesWithUsage(t, x509.KeyUsageKeyEncipherment) }, AlertUnsupportedCert},
		"not a certificate": {func(_, s *Config) {
			s.Certificates = []tls.Certificate{{Certificate: [][]byte{{1}}, PrivateKey: good[0].PrivateKey}}
		}, AlertBadCertificate},
	} {
		t.Run(name, func(t *testing.T) {
			client, server := base()
			tt.change(client, server)
			out := play(t, clientOf(client), serverOf(server), unedited)
			if tt.want != 0 {
				checkAlert(t, out, tt.want)
			} else if state := out.victim.ConnectionState(); len(state.PeerCertificates) != 1 || !isSigned(state.CipherSuite) {
				t.Errorf("%+v, %v", state, out.err)
			}
		})
	}
}

func TestServerSignatureIsChecked(t *testing.T) {
	client, server := smallClientConfig(), serverConfig(testVerifier(t, smallGroup()))
	client.CipherSuites, client.InsecureSkipVerify = []uint16{TLS_SRP_SHA_RSA_WITH_AES_256_CBC_SHA}, true
	server.CipherSuites, server.Certificates = client.CipherSuites, testCertificates(t)
	change := func(f func(*serverKeyExchangeMessage)) edit {
		return func(i int, u unit) []unit {
			if i != 2 {
				return []unit{u}
			}
			m := &serverKeyExchangeMessage{signed: true}
			if err := m.unmarshal(u.raw[messageHeaderLen:]); err != nil {
				t.Error(err)
			}
			f(m)
			return []unit{handshakeUnit(mustMarshal(t, m))}
		}
	}
	for name, tt := range map[string]struct {
		edited edit
		want   AlertError
	}{
		"altered signature":       {change(func(m *serverKeyExchangeMessage) { m.signature[3] ^= 1 }), AlertDecryptError},
		"altered salt":            {change(func(m *serverKeyExchangeMessage) { m.salt[3] ^= 1 }), AlertDecryptError},
		"another algorithm":       {change(func(m *serverKeyExchangeMessage) { m.algorithm = signatureRSAPKCS1 }), AlertDecryptError},
		"SHA-1 (was not offered)": {change(func(m *serverKeyExchangeMessage) { m.algorithm = 0x0201 }), AlertIllegalParameter},
		"altered random":          {changeServerHello(t, func(m *serverHelloMessage) { m.random[5] ^= 1 }), AlertDecryptError},
	} {
		t.Run(name, func(t *testing.T) { checkAlert(t, play(t, clientOf(client), serverOf(server), tt.edited), tt.want) })
	}
}

// The PKCS #1 signature is used with clients that do not offer PSS, and no _RSA suite with those that offer neither.
func TestSignatureAlgorithmIsTheClients(t *testing.T) {
	for _, tt := range []struct {
		offered   []uint16
		algorithm uint16
		suite     uint16
	}{
		{signatureAlgorithms(), signatureRSAPSS, TLS_SRP_SHA_RSA_WITH_AES_256_CBC_SHA},
		{[]uint16{0x0201, signatureRSAPKCS1}, signatureRSAPKCS1, TLS_SRP_SHA_RSA_WITH_AES_256_CBC_SHA},
		{[]uint16{0x0201}, 0, TLS_SRP_SHA_WITH_AES_256_CBC_SHA},
		{nil, 0, TLS_SRP_SHA_WITH_AES_256_CBC_SHA},
	} {
		config := serverConfig(nil)
		config.CipherSuites = []uint16{TLS_SRP_SHA_RSA_WITH_AES_256_CBC_SHA, TLS_SRP_SHA_WITH_AES_256_CBC_SHA}
		config.Certificates = testCertificates(t)
		hs := &serverHandshakeState{config: config}
		hs.hello = clientHelloMessage{cipherSuites: config.CipherSuites, signatureAlgorithms: tt.offered}
		if err := hs.pickCipherSuite(); err != nil || hs.suite.id != tt.suite || hs.ka.algorithm != tt.algorithm {
			t.Errorf("%04x: suite %04x, algorithm %04x, %v", tt.offered, hs.suite.id, hs.ka.algorithm, err)
		}
	}
}
