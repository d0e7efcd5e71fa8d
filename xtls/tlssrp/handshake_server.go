package tlssrp

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// A serverHandshakeState is the server's part of one handshake, RFC 5054 §2.2.
type serverHandshakeState struct {
	handshakeState
	config *Config
	hello  clientHelloMessage
	fake   bool // the user does not exist
	ka     serverKeyAgreement
}

// serverHandshake runs the server's part. c.in.mu is held.
func serverHandshake(ctx context.Context, c *Conn) (ConnectionState, error) {
	hs := &serverHandshakeState{
		handshakeState: handshakeState{c: c, transcript: sha256.New()},
		config:         c.config,
	}
	if err := hs.readClientHello(); err != nil {
		return ConnectionState{}, err
	}
	if err := hs.findVerifier(ctx); err != nil {
		return ConnectionState{}, err
	}
	if err := hs.sendHelloFlight(ctx); err != nil {
		return ConnectionState{}, err
	}
	if err := hs.readClientKeyExchange(ctx); err != nil {
		return ConnectionState{}, err
	}
	if err := hs.readProof(ctx); err != nil {
		return ConnectionState{}, err
	}
	if err := hs.sendFinishedFlight(); err != nil {
		return ConnectionState{}, err
	}
	return ConnectionState{
		Version:           VersionTLS12,
		HandshakeComplete: true,
		CipherSuite:       hs.suite.id,
		Group:             hs.ka.verifier.Group,
		Username:          hs.hello.username,
	}, nil
}

func (hs *serverHandshakeState) readClientHello() error {
	body, err := hs.read(typeClientHello)
	if err != nil {
		return err
	}
	if err := hs.hello.unmarshal(body); err != nil {
		return alertf(AlertDecodeError, "ClientHello: %w", err)
	}
	hs.clientRandom = hs.hello.random
	if err := hs.checkClientHello(); err != nil {
		return err
	}
	hs.c.in.negotiated = true
	return hs.pickCipherSuite()
}

func (hs *serverHandshakeState) checkClientHello() error {
	hello := &hs.hello
	switch {
	case hello.version < VersionTLS12:
		return alertf(AlertProtocolVersion, "client speaks 0x%04X at most, not TLS 1.2", hello.version)
	case !slices.Contains(hello.compressions, compressionNull):
		return alertf(AlertIllegalParameter, "client does not offer null compression") // RFC 5246 §7.4.1.2
	case len(hello.renegotiationInfo) > 0:
		return alertf(AlertHandshakeFailure, "client renegotiates something that is not there") // RFC 5746 §3.6
	case !slices.ContainsFunc(hello.cipherSuites, func(id uint16) bool { return suiteByID(id) != nil }):
		return alertf(AlertHandshakeFailure, "client offers no SRP cipher suite")
	case hello.username == "":
		return alertf(AlertUnknownPSKIdentity, "client offers SRP and gives no user name") // RFC 5054 §2.5.1.2
	case strings.ContainsRune(hello.username, 0):
		// Some implementations cut the name there, and would prove another name than we see.
		return alertf(AlertIllegalParameter, "user name contains NUL")
	case !hello.extendedMasterSecret:
		return alertf(AlertHandshakeFailure, "client does not offer the extended master secret (RFC 7627), which is required")
	case !hello.encryptThenMAC:
		return alertf(AlertHandshakeFailure, "client does not offer encrypt-then-MAC (RFC 7366), which is required")
	}
	return nil
}

// pickCipherSuite takes our first that the client offers, an _RSA one only if there is a certificate and a signature that the client understands.
func (hs *serverHandshakeState) pickCipherSuite() error {
	certificate, algorithm := hs.config.rsaCertificate(), uint16(0)
	for _, a := range signatureAlgorithms() {
		if slices.Contains(hs.hello.signatureAlgorithms, a) {
			algorithm = a
			break
		}
	}
	canSign := certificate != nil && algorithm != 0
	for _, id := range hs.config.cipherSuites() {
		if !slices.Contains(hs.hello.cipherSuites, id) || isSigned(id) && !canSign {
			continue
		}
		hs.suite = suiteByID(id)
		if hs.suite.signed {
			hs.ka.certificate, hs.ka.algorithm = certificate, algorithm
		}
		return nil
	}
	return alertf(AlertHandshakeFailure, "client offers no cipher suite that this server can use")
}

// findVerifier asks the caller, who may refuse the client before it has cost anything.
func (hs *serverHandshakeState) findVerifier(ctx context.Context) error {
	info := &ClientHelloInfo{Username: hs.hello.username, ServerName: hs.hello.serverName, Conn: hs.c.conn}
	verifier, err := hs.config.GetVerifier(ctx, info)
	switch {
	case errors.Is(err, ErrUnknownUser) && len(hs.config.FakeSaltKey) > 0:
		hs.fake = true
		if verifier, err = fakeVerifier(hs.config, hs.hello.username); err != nil {
			return alertf(AlertInternalError, "%w", err)
		}
	case errors.Is(err, ErrUnknownUser):
		return alertf(AlertUnknownPSKIdentity, "finding the verifier: %w", err)
	case err != nil:
		return alertf(AlertAccessDenied, "finding the verifier: %w", err)
	}
	hs.ka.verifier, hs.ka.random = verifier, hs.config.rand()
	return nil
}

func (hs *serverHandshakeState) sendHelloFlight(ctx context.Context) error {
	hs.serverRandom = make([]byte, randomLen)
	if _, err := io.ReadFull(hs.config.rand(), hs.serverRandom); err != nil {
		return alertf(AlertInternalError, "drawing the server random: %w", err)
	}
	hs.startFlight()
	if err := hs.sendServerHello(); err != nil {
		return err
	}
	if hs.suite.signed {
		certificate := &certificateMessage{hs.ka.certificate.Certificate}
		if err := hs.send(certificate.marshal()); err != nil {
			return err
		}
	}
	var raw []byte
	err := hs.config.compute(ctx, func() (err error) {
		raw, err = hs.ka.generateServerKeyExchange(hs.clientRandom, hs.serverRandom)
		return err
	})
	if err != nil {
		return err
	}
	if err := hs.send(raw, nil); err != nil {
		return err
	}
	if err := hs.send(marshalServerHelloDone()); err != nil {
		return err
	}
	return hs.endFlight()
}

// sendServerHello answers the extensions that concern this connection. Not srp: RFC 5054 has the client alone send it, and peers
// refuse it. The empty session ID says that nothing can be resumed.
func (hs *serverHandshakeState) sendServerHello() error {
	hello := &serverHelloMessage{
		version:              VersionTLS12,
		random:               hs.serverRandom,
		cipherSuite:          hs.suite.id,
		compression:          compressionNull,
		encryptThenMAC:       true,
		extendedMasterSecret: true,
	}
	if hs.hello.offersRenegotiationInfo() {
		hello.renegotiationInfo = []byte{}
	}
	return hs.send(hello.marshal())
}

func (hs *serverHandshakeState) readClientKeyExchange(ctx context.Context) error {
	body, err := hs.read(typeClientKeyExchange)
	if err != nil {
		return err
	}
	var premaster []byte
	err = hs.config.compute(ctx, func() (err error) {
		premaster, err = hs.ka.processClientKeyExchange(body)
		return err
	})
	if err != nil {
		return err
	}
	return hs.deriveKeys(premaster)
}

// readProof reads the client's Finished and lets the caller count it before anything of the verdict can be seen outside.
func (hs *serverHandshakeState) readProof(ctx context.Context) error {
	if err := hs.c.readChangeCipherSpec(); err != nil {
		return err
	}
	verdict := hs.readFinished()
	if verdict != nil && !hs.guessed(verdict) {
		return verdict
	}
	if hs.config.ProofReceived != nil {
		if err := hs.config.ProofReceived(ctx, verdict == nil); err != nil {
			// The alert of a wrong password whatever the verdict is: a guess that was not counted must not be answered.
			return alertf(AlertBadRecordMAC, "taking the proof: %w", errors.Join(err, verdict))
		}
	}
	if verdict != nil && hs.fake {
		return fmt.Errorf("%w: %w", ErrUnknownUser, verdict)
	}
	return verdict
}

// guessed tells whether a handshake that failed where Finished was due has cost a guess: it has if anything was tried against the keys, and
// anything else that the client did wrong counts too. It has not if the transport ended first.
func (hs *serverHandshakeState) guessed(err error) bool {
	var local *LocalAlertError
	return hs.c.in.protection.seq > 0 || errors.As(err, &local)
}

func (hs *serverHandshakeState) sendFinishedFlight() error {
	hs.startFlight()
	if err := hs.sendFinished(); err != nil {
		return err
	}
	return hs.endFlight()
}
