package tlssrp

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"
)

// VersionTLS12 is the only protocol version that this package speaks.
const VersionTLS12 uint16 = 0x0303

// The cipher suites of RFC 5054 §2.7 that this package implements. In the _RSA ones the server also signs its parameters with
// the key of an X.509 certificate; in the others the password alone authenticates both sides.
const (
	TLS_SRP_SHA_WITH_AES_128_CBC_SHA     uint16 = 0xC01D
	TLS_SRP_SHA_RSA_WITH_AES_128_CBC_SHA uint16 = 0xC01E
	TLS_SRP_SHA_WITH_AES_256_CBC_SHA     uint16 = 0xC020
	TLS_SRP_SHA_RSA_WITH_AES_256_CBC_SHA uint16 = 0xC021
)

// A Config says how to be a client or a server. It must not change once it is in use; it may then be shared by connections.
type Config struct {
	// Rand is the source of all randomness; nil means crypto/rand.
	Rand io.Reader
	// Time is the clock for the validity of certificates (_RSA suites only); nil means time.Now.
	Time func() time.Time
	// CipherSuites are the acceptable suites, best first. Nil means the two pure ones, AES-256 before AES-128. A suite that is not
	// one of the four is an error.
	CipherSuites []uint16
	// Groups are the groups that a client accepts; nil means those of 2048, 3072 and 4096 bits of RFC 5054. A server uses the group of the
	// verifier, and the first of Groups (nil: 3072 bits) for users that do not exist.
	Groups []*Group

	// Username is the name that a client sends: 1 to 255 bytes, without NUL.
	Username string
	// Password is the client's password. It is hashed as it stands; RFC 5054 §2.3 asks for SASLprep, which leaves digits as they are.
	Password string
	// ServerName is the name that a client sends and that the server's certificate must be for (_RSA suites only).
	ServerName string
	// RootCAs are the roots that the server's certificate must lead to (_RSA suites only); nil means the system's.
	RootCAs *x509.CertPool
	// InsecureSkipVerify accepts any certificate of the server (_RSA suites only). The password is still proved.
	InsecureSkipVerify bool

	// GetVerifier finds what a server keeps for hello.Username. It runs before the server has sent anything and may block, say while
	// a person types; ctx ends when the handshake is cancelled. An error ends the handshake and stands in what Handshake
	// returns: ErrUnknownUser with unknown_psk_identity (or see FakeSaltKey), any other with access_denied.
	GetVerifier func(ctx context.Context, hello *ClientHelloInfo) (*Verifier, error)
	// Compute, if set, runs each of a server's exponentiations, f, and returns its error: a server that strangers can reach bounds
	// with it how many run side by side. It may block; ctx ends when the handshake is cancelled.
	Compute func(ctx context.Context, f func() error) error
	// FakeSaltKey, if set, hides which users exist (RFC 5054 §2.5.1.3): an unknown one gets a salt derived from this key and the
	// name, always the same, and fails as with a wrong password. Random bytes, as many as one likes, kept over restarts.
	FakeSaltKey []byte
	// Certificates holds the server's certificate for the _RSA suites, with an RSA key. Only the first is used.
	Certificates []tls.Certificate
	// ProofReceived, if set, is called by a server as soon as it has judged the first thing that the client sent under the keys of the
	// handshake, its Finished: that is the client's guess, and ok says whether it was right. Nothing has been answered yet, so the guess
	// can be counted durably before the client learns anything. An error ends the handshake as a wrong password does, whatever ok was.
	ProofReceived func(ctx context.Context, ok bool) error
}

// ClientHelloInfo is what a client said of itself, unproven.
type ClientHelloInfo struct {
	Username   string   // never empty, no NUL
	ServerName string   // may be empty
	Conn       net.Conn // the transport; not to be read or written
}

// ConnectionState describes a connection.
type ConnectionState struct {
	Version           uint16 // VersionTLS12
	HandshakeComplete bool
	CipherSuite       uint16
	Group             *Group
	Username          string              // proven, once HandshakeComplete
	PeerCertificates  []*x509.Certificate // of the server, for the client, in the _RSA suites
}

func (c *Config) rand() io.Reader {
	if c.Rand != nil {
		return c.Rand
	}
	return rand.Reader
}

func (c *Config) now() time.Time {
	if c.Time != nil {
		return c.Time()
	}
	return time.Now()
}

func (c *Config) compute(ctx context.Context, f func() error) error {
	if c.Compute != nil {
		return c.Compute(ctx, f)
	}
	return f()
}

func (c *Config) cipherSuites() []uint16 {
	if c.CipherSuites != nil {
		return c.CipherSuites
	}
	return []uint16{TLS_SRP_SHA_WITH_AES_256_CBC_SHA, TLS_SRP_SHA_WITH_AES_128_CBC_SHA}
}

// acceptedGroups are the client's.
func (c *Config) acceptedGroups() []*Group {
	if c.Groups != nil {
		return c.Groups
	}
	return []*Group{Group2048(), Group3072(), Group4096()}
}

// fakeGroup is the server's, for users that do not exist.
func (c *Config) fakeGroup() *Group {
	if len(c.Groups) > 0 {
		return c.Groups[0]
	}
	return Group3072()
}

// rsaCertificate returns the server's certificate, or nil if there is none that the _RSA suites can use.
func (c *Config) rsaCertificate() *tls.Certificate {
	if len(c.Certificates) == 0 || len(c.Certificates[0].Certificate) == 0 {
		return nil
	}
	cert := &c.Certificates[0]
	signer, ok := cert.PrivateKey.(crypto.Signer)
	if !ok {
		return nil
	}
	if _, ok := signer.Public().(*rsa.PublicKey); !ok {
		return nil
	}
	return cert
}

// check refuses what cannot work, or would be less safe than it looks, before anything is sent.
func (c *Config) check(isClient bool) error {
	if c == nil {
		return errors.New("tlssrp: no Config")
	}
	if c.CipherSuites != nil && len(c.CipherSuites) == 0 {
		return errors.New("tlssrp: Config.CipherSuites is empty: leave it nil for the default")
	}
	for _, id := range c.CipherSuites {
		if suiteByID(id) == nil {
			return fmt.Errorf("tlssrp: Config.CipherSuites holds 0x%04X, which is no suite of this package", id)
		}
	}
	if slices.Contains(c.Groups, nil) || (c.Groups != nil && len(c.Groups) == 0) {
		return errors.New("tlssrp: Config.Groups is empty or holds nil: leave it nil for the default")
	}
	if isClient {
		return c.checkClient()
	}
	return c.checkServer()
}

func (c *Config) checkClient() error {
	if len(c.Username) < 1 || len(c.Username) > 255 || strings.ContainsRune(c.Username, 0) {
		return errors.New("tlssrp: Config.Username must have 1 to 255 bytes and no NUL")
	}
	if c.Password == "" {
		return errors.New("tlssrp: Config.Password is empty")
	}
	if len(c.ServerName) > 255 {
		return errors.New("tlssrp: Config.ServerName is longer than 255 bytes")
	}
	if slices.ContainsFunc(c.cipherSuites(), isSigned) && c.ServerName == "" && !c.InsecureSkipVerify {
		return errors.New("tlssrp: the _RSA suites need Config.ServerName or InsecureSkipVerify")
	}
	return nil
}

func (c *Config) checkServer() error {
	if c.GetVerifier == nil {
		return errors.New("tlssrp: a server needs Config.GetVerifier")
	}
	onlySigned := !slices.ContainsFunc(c.cipherSuites(), func(id uint16) bool { return !isSigned(id) })
	if onlySigned && c.rsaCertificate() == nil {
		return errors.New("tlssrp: the _RSA suites need an RSA certificate in Config.Certificates")
	}
	return nil
}

// Format prints which configuration this is and none of its secrets, whatever the verb.
func (c Config) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "tlssrp.Config(user %q, secrets redacted)", c.Username)
}
