package tlssrp

import (
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
)

// A clientHandshakeState is the client's part of one handshake, RFC 5054 §2.2.
type clientHandshakeState struct {
	handshakeState
	config       *Config
	hello        *clientHelloMessage
	certificates []*x509.Certificate // of the server, in the _RSA suites
	ka           clientKeyAgreement
}

// clientHandshake runs the client's part. c.in.mu is held. Nothing in it blocks but the transport, so ctx is of no use here.
func clientHandshake(_ context.Context, c *Conn) (ConnectionState, error) {
	hs := &clientHandshakeState{
		handshakeState: handshakeState{c: c, transcript: sha256.New()},
		config:         c.config,
		ka:             clientKeyAgreement{config: c.config},
	}
	if err := hs.sendClientHello(); err != nil {
		return ConnectionState{}, err
	}
	if err := hs.readServerHello(); err != nil {
		return ConnectionState{}, err
	}
	if err := hs.readCertificate(); err != nil {
		return ConnectionState{}, err
	}
	if err := hs.readServerKeyExchange(); err != nil {
		return ConnectionState{}, err
	}
	if err := hs.readServerHelloDone(); err != nil {
		return ConnectionState{}, err
	}
	if err := hs.sendProofFlight(); err != nil {
		return ConnectionState{}, err
	}
	if err := hs.readServerProof(); err != nil {
		return ConnectionState{}, err
	}
	return ConnectionState{
		Version:           VersionTLS12,
		HandshakeComplete: true,
		CipherSuite:       hs.suite.id,
		Group:             hs.ka.group,
		Username:          hs.config.Username,
		PeerCertificates:  hs.certificates,
	}, nil
}

func (hs *clientHandshakeState) sendClientHello() error {
	hs.clientRandom = make([]byte, randomLen)
	if _, err := io.ReadFull(hs.config.rand(), hs.clientRandom); err != nil {
		return alertf(AlertInternalError, "drawing the client random: %w", err)
	}
	hs.hello = &clientHelloMessage{
		version:              VersionTLS12,
		random:               hs.clientRandom,
		cipherSuites:         slices.Clone(hs.config.cipherSuites()),
		compressions:         []byte{compressionNull},
		username:             hs.config.Username,
		encryptThenMAC:       true,
		extendedMasterSecret: true,
		renegotiationInfo:    []byte{},
	}
	if net.ParseIP(hs.config.ServerName) == nil { // RFC 6066 §3: no addresses
		hs.hello.serverName = hs.config.ServerName
	}
	if slices.ContainsFunc(hs.hello.cipherSuites, isSigned) {
		hs.hello.signatureAlgorithms = signatureAlgorithms()
	}
	return hs.send(hs.hello.marshal())
}

func (hs *clientHandshakeState) readServerHello() error {
	body, err := hs.read(typeServerHello)
	if remoteAlertIs(err, AlertUnknownPSKIdentity) {
		return fmt.Errorf("%w: %w", ErrUnknownUser, err)
	}
	if err != nil {
		return err
	}
	var hello serverHelloMessage
	if err := hello.unmarshal(body); err != nil {
		return alertf(AlertDecodeError, "ServerHello: %w", err)
	}
	if err := hs.checkServerHello(&hello); err != nil {
		return err
	}
	hs.serverRandom = hello.random
	hs.suite = suiteByID(hello.cipherSuite)
	hs.c.in.negotiated = true
	return nil
}

// checkServerHello accepts nothing but what we offered, since anything else would be a handshake that does not prove the password. The server's
// session ID is ignored: nothing is resumed.
func (hs *clientHandshakeState) checkServerHello(hello *serverHelloMessage) error {
	switch {
	case hello.version != VersionTLS12:
		return alertf(AlertProtocolVersion, "server chose version 0x%04X, not TLS 1.2", hello.version)
	case !slices.Contains(hs.hello.cipherSuites, hello.cipherSuite):
		return alertf(AlertIllegalParameter, "server chose cipher suite 0x%04X, which was not offered", hello.cipherSuite)
	case hello.compression != compressionNull:
		return alertf(AlertIllegalParameter, "server chose compression %d, which was not offered", hello.compression)
	}
	for _, id := range hello.extensions {
		if !hs.offered(id) {
			return alertf(AlertUnsupportedExtension, "server sent extension %d, which was not asked for", id)
		}
	}
	switch {
	case !hello.extendedMasterSecret:
		return alertf(AlertHandshakeFailure, "server does not support the extended master secret (RFC 7627), which is required")
	case !hello.encryptThenMAC:
		return alertf(AlertHandshakeFailure, "server does not support encrypt-then-MAC (RFC 7366), which is required")
	case hello.renegotiationInfo == nil:
		return alertf(AlertHandshakeFailure, "server does not support secure renegotiation (RFC 5746), which is required")
	case len(hello.renegotiationInfo) > 0: // RFC 5746 §3.4
		return alertf(AlertHandshakeFailure, "server renegotiates something that is not there")
	}
	return nil
}

// offered tells which extensions a ServerHello may have. The srp extension is the client's alone.
func (hs *clientHandshakeState) offered(id uint16) bool {
	switch id {
	case extensionEncryptThenMAC, extensionExtendedMasterSecret, extensionRenegotiationInfo:
		return true
	case extensionServerName:
		return hs.hello.serverName != ""
	}
	return false
}

// readCertificate reads the server's certificate in the _RSA suites; the others have none, RFC 5054 §2.2.
func (hs *clientHandshakeState) readCertificate() error {
	if !hs.suite.signed {
		return nil
	}
	body, err := hs.read(typeCertificate)
	if err != nil {
		return err
	}
	var m certificateMessage
	if err := m.unmarshal(body); err != nil {
		return alertf(AlertDecodeError, "Certificate: %w", err)
	}
	for _, der := range m.certificates {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return alertf(AlertBadCertificate, "server's certificate: %w", err)
		}
		hs.certificates = append(hs.certificates, certificate)
	}
	if len(hs.certificates) == 0 {
		return alertf(AlertDecodeError, "server sent no certificate")
	}
	return hs.verifyCertificate()
}

func (hs *clientHandshakeState) verifyCertificate() error {
	leaf := hs.certificates[0]
	publicKey, ok := leaf.PublicKey.(*rsa.PublicKey)
	if !ok {
		return alertf(AlertUnsupportedCert, "server's certificate does not hold an RSA key")
	}
	// RFC 5054 §2.5.2
	if leaf.KeyUsage != 0 && leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		return alertf(AlertUnsupportedCert, "server's certificate is not for signatures")
	}
	hs.ka.publicKey = publicKey
	if hs.config.InsecureSkipVerify {
		return nil
	}
	intermediates := x509.NewCertPool()
	for _, certificate := range hs.certificates[1:] {
		intermediates.AddCert(certificate)
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		DNSName:       hs.config.ServerName,
		Roots:         hs.config.RootCAs,
		Intermediates: intermediates,
		CurrentTime:   hs.config.now(),
	})
	if err != nil {
		return alertf(AlertBadCertificate, "server's certificate: %w", err)
	}
	return nil
}

func (hs *clientHandshakeState) readServerKeyExchange() error {
	body, err := hs.read(typeServerKeyExchange)
	if remoteAlertIs(err, AlertUnknownPSKIdentity) {
		return fmt.Errorf("%w: %w", ErrUnknownUser, err)
	}
	if err != nil {
		return err
	}
	return hs.ka.processServerKeyExchange(hs.clientRandom, hs.serverRandom, body)
}

// readServerHelloDone also refuses a CertificateRequest: there are no client certificates here, and in the pure suites none may be asked for.
func (hs *clientHandshakeState) readServerHelloDone() error {
	body, err := hs.read(typeServerHelloDone)
	if err != nil {
		return err
	}
	if len(body) != 0 {
		return alertf(AlertDecodeError, "ServerHelloDone: %w", errMalformed)
	}
	return nil
}

// sendProofFlight sends ClientKeyExchange, ChangeCipherSpec and Finished. With it the server learns whether our password is its own.
func (hs *clientHandshakeState) sendProofFlight() error {
	premaster, raw, err := hs.ka.generateClientKeyExchange()
	hs.startFlight()
	if err := hs.send(raw, err); err != nil {
		return err
	}
	if err := hs.deriveKeys(premaster); err != nil {
		return err
	}
	if err := hs.sendFinished(); err != nil {
		return err
	}
	return hs.endFlight()
}

// readServerProof reads ChangeCipherSpec and Finished, or the alert with which a server refuses a wrong password.
func (hs *clientHandshakeState) readServerProof() error {
	err := hs.c.readChangeCipherSpec()
	if err == nil {
		err = hs.readFinished()
	}
	// RFC 5054 §2.9 names bad_record_mac; some send decrypt_error, as TLS does for a Finished, or unknown_psk_identity.
	if remoteAlertIs(err, AlertBadRecordMAC, AlertDecryptError, AlertUnknownPSKIdentity) {
		return fmt.Errorf("%w: %w", ErrBadPassword, err)
	}
	return err
}

// remoteAlertIs tells whether err is one of these alerts, from the peer.
func remoteAlertIs(err error, alerts ...AlertError) bool {
	var remote *RemoteAlertError
	return errors.As(err, &remote) && slices.Contains(alerts, remote.Alert)
}
