package tlssrp

import (
	"bytes"
	"crypto/sha256"
	"testing"
)

// RFC 7627 §4: the master secret hangs on all messages, so that two handshakes that differ in one of them, whoever stands in
// between, never have the same keys.
func TestKeysHangOnTheWholeHandshake(t *testing.T) {
	premaster := bytes.Repeat([]byte{7}, 256)
	one, other := sha256.Sum256([]byte("hello")), sha256.Sum256([]byte("hallo"))
	a, b := extendedMasterSecret(premaster, one[:]), extendedMasterSecret(premaster, other[:])
	if bytes.Equal(a, b) || len(a) != masterSecretLen {
		t.Errorf("%x and %x", a, b)
	}
}
