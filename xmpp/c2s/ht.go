package c2s

import (
	"crypto"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
)

// The mechanisms of tokens (draft-schmaus-kitten-sasl-ht), best first: the first binds a login to the keys of this TLS
// connection, the second to its handshake (before TLS 1.3), the third to the server's certificate, the last to nothing.
var tokenMechanisms = []string{"HT-SHA-256-EXPR", "HT-SHA-256-UNIQ", "HT-SHA-256-ENDP", "HT-SHA-256-NONE"}

// bindingOf returns what mechanism binds a login to, and whether this connection has it.
func bindingOf(mechanism string, cs tls.ConnectionState) ([]byte, bool) {
	switch mechanism {
	case "HT-SHA-256-EXPR":
		if cs.Version < tls.VersionTLS13 {
			return nil, false
		}
		data, err := cs.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32) // RFC 9266 §2
		return data, err == nil
	case "HT-SHA-256-UNIQ":
		return cs.TLSUnique, cs.Version < tls.VersionTLS13 && len(cs.TLSUnique) > 0
	case "HT-SHA-256-ENDP":
		if len(cs.PeerCertificates) == 0 {
			return nil, false
		}
		return endPoint(cs.PeerCertificates[0]), true
	case "HT-SHA-256-NONE":
		return nil, true
	}
	return nil, false
}

// endPoint is the hash of the server's certificate (RFC 5929 §4.1): by the hash of its signature, by SHA-256 where that is weaker.
func endPoint(cert *x509.Certificate) []byte {
	hash := crypto.SHA256
	switch cert.SignatureAlgorithm {
	case x509.SHA384WithRSA, x509.ECDSAWithSHA384, x509.SHA384WithRSAPSS:
		hash = crypto.SHA384
	case x509.SHA512WithRSA, x509.ECDSAWithSHA512, x509.SHA512WithRSAPSS:
		hash = crypto.SHA512
	}
	h := hash.New()
	h.Write(cert.Raw)
	return h.Sum(nil)
}

// proof is one login by a token: the client's message, and the server's in answer.
type proof struct {
	token   string
	binding []byte
}

// message is the client's: who it is, and that it has the token.
func (p proof) message(user string) []byte {
	return append(append([]byte(user), 0), p.mac("Initiator")...)
}

// isProven reports whether answer is the server's, which has the token too.
func (p proof) isProven(answer []byte) bool { return hmac.Equal(answer, p.mac("Responder")) }

func (p proof) mac(role string) []byte {
	h := hmac.New(sha256.New, []byte(p.token))
	h.Write([]byte(role))
	h.Write(p.binding)
	return h.Sum(nil)
}
