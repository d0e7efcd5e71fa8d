package tlssrp

import "fmt"

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
