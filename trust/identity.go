package trust

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/big"
	"runtime/debug"
	"slices"
	"time"
)

// IdentityFile is the name in the Store under which the identity is kept, as two PEM
// blocks: the certificate, and the private key in PKCS #8.
const IdentityFile = "identity.pem"

const (
	pemCertificate = "CERTIFICATE"
	pemPrivateKey  = "PRIVATE KEY"
)

// identityYears is how long an identity is valid after it was made (DESIGN §5).
const identityYears = 20

// sourceDate is when this was written: no clock that says less is right. It stands
// in for the build date where the build recorded none.
const sourceDate = "2026-11-21T00:00:00Z"

// Identity is this program's own certificate and key: ECDSA on P-256, self-signed.
// Printing one shows its fingerprint only.
type Identity struct {
	// Certificate is ready for use in a tls.Config, as client and as server. Its
	// Leaf is set.
	Certificate tls.Certificate
}

// NewIdentity makes an identity with name as its common name. It is valid from 1970
// until 20 years after now, or after the build date if the clock is behind that.
//
// random provides the serial number and, where Go lets it, the key: since Go 1.26
// keys always come from the operating system's generator.
func NewIdentity(name string, now time.Time, random io.Reader) (*Identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), random)
	if err != nil {
		return nil, fmt.Errorf("trust: making the identity's key: %w", err)
	}
	template, err := identityTemplate(name, now, random)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(random, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("trust: making the identity's certificate: %w", err)
	}
	return newIdentity(der, key)
}

func identityTemplate(name string, now time.Time, random io.Reader) (*x509.Certificate, error) {
	var serial [16]byte
	if _, err := io.ReadFull(random, serial[:]); err != nil {
		return nil, fmt.Errorf("trust: making the identity's serial number: %w", err)
	}
	if name = CleanName(name); name == "" {
		name = "xtls-agent"
	}
	serial[0] = serial[0]&0x7f | 0x40 // positive and never zero: RFC 5280 §4.1.2.2
	return &x509.Certificate{
		SerialNumber:          new(big.Int).SetBytes(serial[:]),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Unix(0, 0).UTC(),
		NotAfter:              identityEnd(now, buildDate()),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}, nil
}

// identityEnd is 20 years after the later of both, within what X.509 can express
// (RFC 5280 §4.1.2.5).
func identityEnd(now, built time.Time) time.Time {
	start := now.UTC()
	if start.Before(built) {
		start = built
	}
	end := start.AddDate(identityYears, 0, 0).Truncate(time.Second)
	if last := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC); end.After(last) {
		return last
	}
	return end
}

// buildDate is the date of the commit that the program was built from, or sourceDate
// if that is unknown or earlier.
func buildDate() time.Time {
	date, err := time.Parse(time.RFC3339, sourceDate)
	if err != nil {
		panic("trust: sourceDate: " + err.Error()) // a constant; tested
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return date
	}
	for _, s := range info.Settings {
		if s.Key != "vcs.time" {
			continue
		}
		if t, err := time.Parse(time.RFC3339, s.Value); err == nil && t.After(date) {
			return t.UTC()
		}
	}
	return date
}

func newIdentity(der []byte, key *ecdsa.PrivateKey) (*Identity, error) {
	leaf, err := CheckCertificate(der)
	if err != nil {
		return nil, err
	}
	if !key.PublicKey.Equal(leaf.PublicKey) {
		return nil, errors.New("trust: identity's key and certificate do not belong together")
	}
	return &Identity{tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}}, nil
}

// LoadIdentity returns the identity in the store. If there is none it makes one, and
// returns it once it is durably stored. Who keeps peers as well uses [Recall].
//
// An identity that is there is kept, also if name has changed since: peers pin the
// certificate. One that cannot be read is an error and not a reason to make another,
// which would lose every pairing.
func LoadIdentity(store Store, name string, now time.Time, random io.Reader) (*Identity, error) {
	id, _, err := readIdentity(store)
	if errors.Is(err, fs.ErrNotExist) {
		return Keeping{Store: store, Name: name, Now: now, Rand: random}.storeNewIdentity()
	}
	return id, err
}

// readIdentity returns the identity, and the name of the set of peers that was made with it, or "".
func readIdentity(store Store) (id *Identity, set string, err error) {
	text, err := store.Read(IdentityFile)
	if err != nil {
		return nil, "", fmt.Errorf("trust: loading the identity: %w", err)
	}
	return parseIdentity(text)
}

// pemPeers is the header of the certificate's block that names the set of peers. Versions that do not know it pass
// over it.
const pemPeers = "Peers"

// marshal encodes the identity. set is the name of the set of peers that is stored with it, or "".
func (id Identity) marshal(set string) ([]byte, error) {
	key, err := x509.MarshalPKCS8PrivateKey(id.Certificate.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("trust: encoding the identity's key: %w", err)
	}
	certificate := &pem.Block{Type: pemCertificate, Bytes: id.DER()}
	if set != "" {
		certificate.Headers = map[string]string{pemPeers: set}
	}
	text := pem.EncodeToMemory(certificate)
	return append(text, pem.EncodeToMemory(&pem.Block{Type: pemPrivateKey, Bytes: key})...), nil
}

// parseIdentity is the reverse of marshal. Its errors quote nothing of the text.
func parseIdentity(text []byte) (id *Identity, set string, err error) {
	malformed := errors.New("trust: stored identity is malformed; restore the state folder from a backup, or reset the device")
	certificate, rest := pem.Decode(text)
	if certificate == nil || certificate.Type != pemCertificate {
		return nil, "", malformed
	}
	private, rest := pem.Decode(rest)
	if private == nil || private.Type != pemPrivateKey || len(bytes.TrimSpace(rest)) != 0 {
		return nil, "", malformed
	}
	parsed, err := x509.ParsePKCS8PrivateKey(private.Bytes)
	if err != nil {
		return nil, "", malformed
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, "", malformed
	}
	id, err = newIdentity(certificate.Bytes, key)
	return id, certificate.Headers[pemPeers], err
}

// DER returns the certificate.
func (id Identity) DER() []byte {
	if len(id.Certificate.Certificate) == 0 {
		return nil
	}
	return slices.Clone(id.Certificate.Certificate[0])
}

// Fingerprint returns the certificate's fingerprint, which peers pin.
func (id Identity) Fingerprint() Fingerprint { return FingerprintOf(id.DER()) }

// String shows the fingerprint and nothing of the key.
func (id Identity) String() string { return "identity " + id.Fingerprint().String() }

// Format does as String whatever the verb: with %#v or %d, too, the key stays out.
func (id Identity) Format(f fmt.State, _ rune) { fmt.Fprint(f, id.String()) }

// LogValue keeps the key out of structured logs.
func (id Identity) LogValue() slog.Value { return slog.StringValue(id.String()) }

// MarshalJSON keeps the key out of JSON, in which a logger may encode its values.
func (id Identity) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, "%q", id.String()), nil }
