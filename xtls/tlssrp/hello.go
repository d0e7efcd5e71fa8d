package tlssrp

import (
	"slices"

	"golang.org/x/crypto/cryptobyte"
)

// Extensions that we send or read. Of a peer's others we know nothing and ignore them, supported_versions included: whatever a client
// offers there, it is answered with TLS 1.2 and without the extension.
const (
	extensionServerName           uint16 = 0  // RFC 6066 §3
	extensionSRP                  uint16 = 12 // RFC 5054 §2.8.1
	extensionSignatureAlgorithms  uint16 = 13 // RFC 5246 §7.4.1.4.1
	extensionEncryptThenMAC       uint16 = 22 // RFC 7366 §2
	extensionExtendedMasterSecret uint16 = 23 // RFC 7627 §5.1
	extensionRenegotiationInfo    uint16 = 0xff01
)

// scsvRenegotiation in the list of suites stands for an empty renegotiation_info, RFC 5746 §3.3.
const scsvRenegotiation uint16 = 0x00ff

const compressionNull uint8 = 0

// A clientHelloMessage is that of RFC 5246 §7.4.1.2, with the extensions that we know. A nil slice means that the extension is missing.
type clientHelloMessage struct {
	version      uint16
	random       []byte
	sessionID    []byte
	cipherSuites []uint16
	compressions []byte

	serverName           string
	username             string // "" if the extension is missing; in it a name has at least one byte
	signatureAlgorithms  []uint16
	encryptThenMAC       bool
	extendedMasterSecret bool
	renegotiationInfo    []byte
}

func (m *clientHelloMessage) marshal() ([]byte, error) {
	return marshalMessage(typeClientHello, func(b *cryptobyte.Builder) {
		b.AddUint16(m.version)
		b.AddBytes(m.random)
		b.AddUint8LengthPrefixed(addBytes(m.sessionID))
		b.AddUint16LengthPrefixed(addUint16s(m.cipherSuites))
		b.AddUint8LengthPrefixed(addBytes(m.compressions))
		b.AddUint16LengthPrefixed(m.addExtensions)
	})
}

func (m *clientHelloMessage) addExtensions(b *cryptobyte.Builder) {
	if m.serverName != "" {
		addExtension(b, extensionServerName, func(b *cryptobyte.Builder) {
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
				b.AddUint8(0) // host_name
				b.AddUint16LengthPrefixed(addBytes([]byte(m.serverName)))
			})
		})
	}
	if m.username != "" {
		addExtension(b, extensionSRP, func(b *cryptobyte.Builder) {
			b.AddUint8LengthPrefixed(addBytes([]byte(m.username)))
		})
	}
	if m.signatureAlgorithms != nil {
		addExtension(b, extensionSignatureAlgorithms, func(b *cryptobyte.Builder) {
			b.AddUint16LengthPrefixed(addUint16s(m.signatureAlgorithms))
		})
	}
	addCommonExtensions(b, m.encryptThenMAC, m.extendedMasterSecret, m.renegotiationInfo)
}

func (m *clientHelloMessage) unmarshal(body []byte) error {
	*m = clientHelloMessage{}
	s := cryptobyte.String(body)
	var suites cryptobyte.String
	if !s.ReadUint16(&m.version) || !s.ReadBytes(&m.random, randomLen) || !readSessionID(&s, &m.sessionID) ||
		!s.ReadUint16LengthPrefixed(&suites) || !readUint16s(suites, &m.cipherSuites) || !readNonempty8(&s, &m.compressions) {
		return errMalformed
	}
	return readExtensions(s, m.readExtension)
}

func (m *clientHelloMessage) readExtension(id uint16, data cryptobyte.String) bool {
	switch id {
	case extensionServerName:
		return m.readServerName(data)
	case extensionSRP:
		var name []byte
		if !readNonempty8(&data, &name) {
			return false
		}
		m.username = string(name)
	case extensionSignatureAlgorithms:
		var list cryptobyte.String
		if !data.ReadUint16LengthPrefixed(&list) || !readUint16s(list, &m.signatureAlgorithms) {
			return false
		}
	case extensionEncryptThenMAC:
		m.encryptThenMAC = true
	case extensionExtendedMasterSecret:
		m.extendedMasterSecret = true
	case extensionRenegotiationInfo:
		if !readRenegotiationInfo(&data, &m.renegotiationInfo) {
			return false
		}
	default:
		return true
	}
	return data.Empty()
}

// readServerName takes the host_name, of which there may be one (RFC 6066 §3); other types of names are skipped.
func (m *clientHelloMessage) readServerName(data cryptobyte.String) bool {
	var list cryptobyte.String
	if !data.ReadUint16LengthPrefixed(&list) || list.Empty() || !data.Empty() {
		return false
	}
	for !list.Empty() {
		var nameType uint8
		var name []byte
		if !list.ReadUint8(&nameType) || !readNonempty16(&list, &name) {
			return false
		}
		if nameType != 0 {
			continue
		}
		if m.serverName != "" {
			return false
		}
		m.serverName = string(name)
	}
	return true
}

// A serverHelloMessage is that of RFC 5246 §7.4.1.3.
type serverHelloMessage struct {
	version     uint16
	random      []byte
	sessionID   []byte
	cipherSuite uint16
	compression uint8

	extensions           []uint16 // all that were there, in order; set by unmarshal
	serverName           bool     // the server used the client's server_name
	encryptThenMAC       bool
	extendedMasterSecret bool
	renegotiationInfo    []byte // nil if missing
}

func (m *serverHelloMessage) marshal() ([]byte, error) {
	return marshalMessage(typeServerHello, func(b *cryptobyte.Builder) {
		b.AddUint16(m.version)
		b.AddBytes(m.random)
		b.AddUint8LengthPrefixed(addBytes(m.sessionID))
		b.AddUint16(m.cipherSuite)
		b.AddUint8(m.compression)
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
			if m.serverName {
				addExtension(b, extensionServerName, addBytes(nil))
			}
			addCommonExtensions(b, m.encryptThenMAC, m.extendedMasterSecret, m.renegotiationInfo)
		})
	})
}

func (m *serverHelloMessage) unmarshal(body []byte) error {
	*m = serverHelloMessage{}
	s := cryptobyte.String(body)
	if !s.ReadUint16(&m.version) || !s.ReadBytes(&m.random, randomLen) || !readSessionID(&s, &m.sessionID) ||
		!s.ReadUint16(&m.cipherSuite) || !s.ReadUint8(&m.compression) {
		return errMalformed
	}
	return readExtensions(s, m.readExtension)
}

func (m *serverHelloMessage) readExtension(id uint16, data cryptobyte.String) bool {
	m.extensions = append(m.extensions, id)
	switch id {
	case extensionServerName:
		m.serverName = true
	case extensionEncryptThenMAC:
		m.encryptThenMAC = true
	case extensionExtendedMasterSecret:
		m.extendedMasterSecret = true
	case extensionRenegotiationInfo:
		if !readRenegotiationInfo(&data, &m.renegotiationInfo) {
			return false
		}
	default:
		return true
	}
	return data.Empty()
}

// addCommonExtensions adds what both hellos have.
func addCommonExtensions(b *cryptobyte.Builder, etm, ems bool, renegotiationInfo []byte) {
	if etm {
		addExtension(b, extensionEncryptThenMAC, addBytes(nil))
	}
	if ems {
		addExtension(b, extensionExtendedMasterSecret, addBytes(nil))
	}
	if renegotiationInfo != nil {
		addExtension(b, extensionRenegotiationInfo, func(b *cryptobyte.Builder) {
			b.AddUint8LengthPrefixed(addBytes(renegotiationInfo))
		})
	}
}

func addExtension(b *cryptobyte.Builder, id uint16, data cryptobyte.BuilderContinuation) {
	b.AddUint16(id)
	b.AddUint16LengthPrefixed(data)
}

// readExtensions reads what stands at the end of a hello, if anything does. RFC 5246 §7.4.1.4: no extension twice.
func readExtensions(s cryptobyte.String, read func(id uint16, data cryptobyte.String) bool) error {
	if s.Empty() {
		return nil
	}
	var list cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&list) || !s.Empty() {
		return errMalformed
	}
	seen := make(map[uint16]bool)
	for !list.Empty() {
		var id uint16
		var data cryptobyte.String
		if !list.ReadUint16(&id) || !list.ReadUint16LengthPrefixed(&data) || seen[id] || !read(id, data) {
			return errMalformed
		}
		seen[id] = true
	}
	return nil
}

// readRenegotiationInfo reads RFC 5746 §3.2; *out is not nil afterwards.
func readRenegotiationInfo(s *cryptobyte.String, out *[]byte) bool {
	var data cryptobyte.String
	if !s.ReadUint8LengthPrefixed(&data) {
		return false
	}
	*out = append([]byte{}, data...)
	return true
}

func readSessionID(s *cryptobyte.String, out *[]byte) bool {
	return s.ReadUint8LengthPrefixed((*cryptobyte.String)(out)) && len(*out) <= 32
}

func addUint16s(list []uint16) cryptobyte.BuilderContinuation {
	return func(b *cryptobyte.Builder) {
		for _, v := range list {
			b.AddUint16(v)
		}
	}
}

// readUint16s reads a list that must not be empty.
func readUint16s(s cryptobyte.String, out *[]uint16) bool {
	*out = make([]uint16, 0, len(s)/2)
	for !s.Empty() {
		var v uint16
		if !s.ReadUint16(&v) {
			return false
		}
		*out = append(*out, v)
	}
	return len(*out) > 0
}

// offersRenegotiationInfo tells whether the client understands secure renegotiation, RFC 5746 §3.6.
func (m *clientHelloMessage) offersRenegotiationInfo() bool {
	return m.renegotiationInfo != nil || slices.Contains(m.cipherSuites, scsvRenegotiation)
}
