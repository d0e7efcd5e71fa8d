package tlssrp

import (
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
)

// messageType is HandshakeType of RFC 5246 §7.4.
type messageType uint8

const (
	typeHelloRequest       messageType = 0
	typeClientHello        messageType = 1
	typeServerHello        messageType = 2
	typeCertificate        messageType = 11
	typeServerKeyExchange  messageType = 12
	typeCertificateRequest messageType = 13
	typeServerHelloDone    messageType = 14
	typeClientKeyExchange  messageType = 16
	typeFinished           messageType = 20
)

const (
	messageHeaderLen = 4
	maxMessage       = 1 << 16 // in bytes; a long chain of certificates fits
)

// String returns the message's name in the RFC.
func (t messageType) String() string {
	switch t {
	case typeHelloRequest:
		return "HelloRequest"
	case typeClientHello:
		return "ClientHello"
	case typeServerHello:
		return "ServerHello"
	case typeCertificate:
		return "Certificate"
	case typeServerKeyExchange:
		return "ServerKeyExchange"
	case typeCertificateRequest:
		return "CertificateRequest"
	case typeServerHelloDone:
		return "ServerHelloDone"
	case typeClientKeyExchange:
		return "ClientKeyExchange"
	case typeFinished:
		return "Finished"
	}
	return fmt.Sprintf("handshake message of type %d", uint8(t))
}

// errMalformed is all that is said of a message that does not parse.
var errMalformed = errors.New("malformed message")

// marshalMessage makes a message of type typ, header included, whose body is what build adds.
func marshalMessage(typ messageType, build cryptobyte.BuilderContinuation) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddUint8(uint8(typ))
	b.AddUint24LengthPrefixed(build)
	raw, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("tlssrp: making %v: %w", typ, err)
	}
	return raw, nil
}

// A certificateMessage is the server's chain, RFC 5246 §7.4.2, leaf first.
type certificateMessage struct {
	certificates [][]byte // DER
}

func (m *certificateMessage) marshal() ([]byte, error) {
	return marshalMessage(typeCertificate, func(b *cryptobyte.Builder) {
		b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) {
			for _, der := range m.certificates {
				b.AddUint24LengthPrefixed(addBytes(der))
			}
		})
	})
}

func (m *certificateMessage) unmarshal(body []byte) error {
	s := cryptobyte.String(body)
	var list cryptobyte.String
	if !s.ReadUint24LengthPrefixed(&list) || !s.Empty() {
		return errMalformed
	}
	m.certificates = nil
	for !list.Empty() {
		var der cryptobyte.String
		if !list.ReadUint24LengthPrefixed(&der) || der.Empty() {
			return errMalformed
		}
		m.certificates = append(m.certificates, der)
	}
	return nil
}

// A serverKeyExchangeMessage is that of RFC 5054 §2.8.2. The signature is there in the _RSA suites only, so the reader has to know
// which kind it expects.
type serverKeyExchangeMessage struct {
	n, g, salt, public []byte // public is B

	signed    bool
	algorithm uint16 // SignatureAndHashAlgorithm
	signature []byte
}

// params returns what is signed, ServerSRPParams.
func (m *serverKeyExchangeMessage) params() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddUint16LengthPrefixed(addBytes(m.n))
	b.AddUint16LengthPrefixed(addBytes(m.g))
	b.AddUint8LengthPrefixed(addBytes(m.salt))
	b.AddUint16LengthPrefixed(addBytes(m.public))
	params, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("tlssrp: making ServerKeyExchange: %w", err)
	}
	return params, nil
}

func (m *serverKeyExchangeMessage) marshal() ([]byte, error) {
	params, err := m.params()
	if err != nil {
		return nil, err
	}
	return marshalMessage(typeServerKeyExchange, func(b *cryptobyte.Builder) {
		b.AddBytes(params)
		if m.signed {
			b.AddUint16(m.algorithm)
			b.AddUint16LengthPrefixed(addBytes(m.signature))
		}
	})
}

func (m *serverKeyExchangeMessage) unmarshal(body []byte) error {
	s := cryptobyte.String(body)
	// All four are <1..2^n-1>.
	if !readNonempty16(&s, &m.n) || !readNonempty16(&s, &m.g) || !readNonempty8(&s, &m.salt) || !readNonempty16(&s, &m.public) {
		return errMalformed
	}
	if m.signed && (!s.ReadUint16(&m.algorithm) || !readNonempty16(&s, &m.signature)) {
		return errMalformed
	}
	if !s.Empty() {
		return errMalformed
	}
	return nil
}

// marshalServerHelloDone makes the message that has no body.
func marshalServerHelloDone() ([]byte, error) {
	return marshalMessage(typeServerHelloDone, func(*cryptobyte.Builder) {})
}

// A clientKeyExchangeMessage is that of RFC 5054 §2.8.3.
type clientKeyExchangeMessage struct {
	public []byte // A
}

func (m *clientKeyExchangeMessage) marshal() ([]byte, error) {
	return marshalMessage(typeClientKeyExchange, func(b *cryptobyte.Builder) {
		b.AddUint16LengthPrefixed(addBytes(m.public))
	})
}

func (m *clientKeyExchangeMessage) unmarshal(body []byte) error {
	s := cryptobyte.String(body)
	if !readNonempty16(&s, &m.public) || !s.Empty() {
		return errMalformed
	}
	return nil
}

// A finishedMessage is that of RFC 5246 §7.4.9.
type finishedMessage struct {
	verifyData []byte
}

func (m *finishedMessage) marshal() ([]byte, error) {
	return marshalMessage(typeFinished, addBytes(m.verifyData))
}

func (m *finishedMessage) unmarshal(body []byte) error {
	if len(body) != verifyDataLen {
		return errMalformed
	}
	m.verifyData = body
	return nil
}

func addBytes(p []byte) cryptobyte.BuilderContinuation {
	return func(b *cryptobyte.Builder) { b.AddBytes(p) }
}

func readNonempty8(s *cryptobyte.String, out *[]byte) bool {
	return s.ReadUint8LengthPrefixed((*cryptobyte.String)(out)) && len(*out) > 0
}

func readNonempty16(s *cryptobyte.String, out *[]byte) bool {
	return s.ReadUint16LengthPrefixed((*cryptobyte.String)(out)) && len(*out) > 0
}
