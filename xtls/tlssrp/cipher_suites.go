package tlssrp

// A cipherSuite is one of RFC 5054 §2.7. All have AES in CBC mode and HMAC-SHA-1 for records; in TLS 1.2 the PRF is that of RFC 5246
// §5, on SHA-256, although the names end in SHA.
type cipherSuite struct {
	id     uint16
	keyLen int  // of the AES key, in bytes
	signed bool // the server has a certificate and signs its parameters
}

// suiteByID returns nil for a suite that is not one of ours.
func suiteByID(id uint16) *cipherSuite {
	switch id {
	case TLS_SRP_SHA_WITH_AES_128_CBC_SHA:
		return &cipherSuite{id, 16, false}
	case TLS_SRP_SHA_WITH_AES_256_CBC_SHA:
		return &cipherSuite{id, 32, false}
	case TLS_SRP_SHA_RSA_WITH_AES_128_CBC_SHA:
		return &cipherSuite{id, 16, true}
	case TLS_SRP_SHA_RSA_WITH_AES_256_CBC_SHA:
		return &cipherSuite{id, 32, true}
	}
	return nil
}

// isSigned reports whether id is one of our suites, of those with a certificate.
func isSigned(id uint16) bool {
	suite := suiteByID(id)
	return suite != nil && suite.signed
}
