package tlssrp

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"slices"

	"xtls-agent/xtls/tlssrp/internal/srp"
)

// Signature algorithms of the _RSA suites, best first: RSA-PSS (RFC 8446 §4.2.3, as used in TLS 1.2) and PKCS #1 v1.5, both with SHA-256.
const (
	signatureRSAPSS   uint16 = 0x0804
	signatureRSAPKCS1 uint16 = 0x0401
)

func signatureAlgorithms() []uint16 { return []uint16{signatureRSAPSS, signatureRSAPKCS1} }

// signerOpts returns what crypto/rsa needs to know of a signature algorithm, or nil if it is not one of ours.
func signerOpts(algorithm uint16) crypto.SignerOpts {
	switch algorithm {
	case signatureRSAPSS:
		return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
	case signatureRSAPKCS1:
		return crypto.SHA256
	}
	return nil
}

// signedDigest hashes what the server signs, RFC 5246 §7.4.3: both randoms and the parameters.
func signedDigest(clientRandom, serverRandom []byte, m *serverKeyExchangeMessage) ([]byte, error) {
	params, err := m.params()
	if err != nil {
		return nil, err
	}
	digest := sha256.New()
	digest.Write(clientRandom)
	digest.Write(serverRandom)
	digest.Write(params)
	return digest.Sum(nil), nil
}

// A serverKeyAgreement is the server's part of the SRP key exchange: one ServerKeyExchange out, one ClientKeyExchange in.
type serverKeyAgreement struct {
	verifier    *Verifier
	random      io.Reader
	certificate *tls.Certificate // nil in the pure suites
	algorithm   uint16           // of the signature, with a certificate

	srp *srp.Server
}

func (ka *serverKeyAgreement) generateServerKeyExchange(clientRandom, serverRandom []byte) ([]byte, error) {
	v := ka.verifier
	if v == nil || v.Group == nil || len(v.Salt) < 1 || len(v.Salt) > 255 {
		return nil, alertf(AlertInternalError, "verifier without a group or a salt of 1 to 255 bytes")
	}
	server, err := srp.NewServer(v.Group, v.V, ka.random)
	if err != nil {
		return nil, alertf(AlertInternalError, "computing B: %w", err)
	}
	ka.srp = server
	m := &serverKeyExchangeMessage{n: v.Group.N(), g: v.Group.G(), salt: v.Salt, public: server.Public()}
	if ka.certificate != nil {
		if err := ka.sign(m, clientRandom, serverRandom); err != nil {
			return nil, alertf(AlertInternalError, "signing ServerKeyExchange: %w", err)
		}
	}
	return m.marshal()
}

func (ka *serverKeyAgreement) sign(m *serverKeyExchangeMessage, clientRandom, serverRandom []byte) error {
	digest, err := signedDigest(clientRandom, serverRandom, m)
	if err != nil {
		return err
	}
	signer, ok := ka.certificate.PrivateKey.(crypto.Signer)
	if !ok {
		return errors.New("private key cannot sign")
	}
	m.signed, m.algorithm = true, ka.algorithm
	m.signature, err = signer.Sign(ka.random, digest, signerOpts(ka.algorithm))
	return err
}

// processClientKeyExchange returns the premaster secret.
func (ka *serverKeyAgreement) processClientKeyExchange(body []byte) ([]byte, error) {
	var m clientKeyExchangeMessage
	if err := m.unmarshal(body); err != nil {
		return nil, alertf(AlertDecodeError, "ClientKeyExchange: %w", err)
	}
	premaster, err := ka.srp.Premaster(m.public)
	if err != nil {
		// RFC 5054 §2.5.4: illegal_parameter for A = 0 mod N.
		return nil, alertf(AlertIllegalParameter, "ClientKeyExchange: %w", err)
	}
	return premaster, nil
}

// A clientKeyAgreement is the client's part.
type clientKeyAgreement struct {
	config    *Config
	publicKey *rsa.PublicKey // of the server's certificate; nil in the pure suites

	group     *Group
	srp       *srp.Client
	premaster []byte
}

// processServerKeyExchange checks what the server sent and computes the premaster secret.
func (ka *clientKeyAgreement) processServerKeyExchange(clientRandom, serverRandom, body []byte) error {
	m := serverKeyExchangeMessage{signed: ka.publicKey != nil}
	if err := m.unmarshal(body); err != nil {
		return alertf(AlertDecodeError, "ServerKeyExchange: %w", err)
	}
	if ka.publicKey != nil {
		if err := ka.verify(&m, clientRandom, serverRandom); err != nil {
			return err
		}
	}
	var err error
	if ka.group, err = ka.acceptGroup(&m); err != nil {
		return err
	}
	if ka.srp, err = srp.NewClient(ka.group, ka.config.rand()); err != nil {
		return alertf(AlertInternalError, "computing A: %w", err)
	}
	ka.premaster, err = ka.srp.Premaster(m.salt, m.public, ka.config.Username, ka.config.Password)
	if err != nil {
		// RFC 5054 §2.5.3: illegal_parameter for B = 0 mod N.
		return alertf(AlertIllegalParameter, "ServerKeyExchange: %w", err)
	}
	return nil
}

// acceptGroup returns the acceptable group that has both the server's N and its g. RFC 5054 §3.2: parameters that were not vetted could
// have been chosen to learn the password.
func (ka *clientKeyAgreement) acceptGroup(m *serverKeyExchangeMessage) (*Group, error) {
	offered, err := srp.NewGroup(m.n, m.g)
	if err != nil {
		return nil, alertf(AlertInsufficientSecurity, "server's group: %w", err)
	}
	groups := ka.config.acceptedGroups()
	i := slices.IndexFunc(groups, offered.Equal)
	if i < 0 {
		return nil, alertf(AlertInsufficientSecurity, "server's group, of %d bits, is not an accepted one", offered.Bits())
	}
	return groups[i], nil
}

func (ka *clientKeyAgreement) verify(m *serverKeyExchangeMessage, clientRandom, serverRandom []byte) error {
	if !slices.Contains(signatureAlgorithms(), m.algorithm) {
		return alertf(AlertIllegalParameter, "server signed with algorithm 0x%04X, which was not offered", m.algorithm)
	}
	digest, err := signedDigest(clientRandom, serverRandom, m)
	if err != nil {
		return alertf(AlertInternalError, "%w", err)
	}
	if m.algorithm == signatureRSAPSS {
		options := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
		err = rsa.VerifyPSS(ka.publicKey, crypto.SHA256, digest, m.signature, options)
	} else {
		err = rsa.VerifyPKCS1v15(ka.publicKey, crypto.SHA256, digest, m.signature)
	}
	if err != nil {
		return alertf(AlertDecryptError, "server's signature: %w", err)
	}
	return nil
}

// generateClientKeyExchange returns the premaster secret and the message.
func (ka *clientKeyAgreement) generateClientKeyExchange() (premaster, raw []byte, err error) {
	m := &clientKeyExchangeMessage{public: ka.srp.Public()}
	raw, err = m.marshal()
	if err != nil {
		return nil, nil, fmt.Errorf("tlssrp: making ClientKeyExchange: %w", err)
	}
	return ka.premaster, raw, nil
}
