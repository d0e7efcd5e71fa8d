package trust

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
)

// Bounds of a peer's certificate. The upper one for RSA keeps a peer from making each
// handshake expensive; it is also crypto/tls's own.
const (
	MaxCertificate = 6 << 10 // bytes of DER
	minRSABits     = 2048
	maxRSABits     = 8192
)

// CheckCertificate parses the certificate that a peer wants us to pin and refuses keys
// that we would not trust to sign: accepted are ECDSA on P-256 and P-384, Ed25519,
// and RSA of 2048 to 8192 bits. Who signed it and when it is valid mean nothing
// (DESIGN §5, "a pairing lost to a clock"): it is the pin that counts.
func CheckCertificate(der []byte) (*x509.Certificate, error) {
	if len(der) > MaxCertificate {
		return nil, fmt.Errorf("trust: certificate of %d bytes is larger than %d", len(der), MaxCertificate)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("trust: parsing certificate: %w", err)
	}
	if err := checkKey(cert.PublicKey); err != nil {
		return nil, err
	}
	return cert, nil
}

func checkKey(key any) error {
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() || key.Curve == elliptic.P384() {
			return nil
		}
		return fmt.Errorf("trust: certificate with a key on %s; use P-256", key.Curve.Params().Name)
	case ed25519.PublicKey:
		return nil
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return fmt.Errorf("trust: certificate with an RSA key of %d bits; use %d to %d", bits, minRSABits, maxRSABits)
		}
		return nil
	}
	return fmt.Errorf("trust: certificate with a key of unknown type %T; use ECDSA on P-256", key)
}
