package tlssrp

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
)

// Lengths in bytes, RFC 5246 §6.3, §7.4.9 and §8.1.
const (
	masterSecretLen = 48
	verifyDataLen   = 12
	randomLen       = 32
	macKeyLen       = 20 // HMAC-SHA-1
)

// prf is the pseudo-random function of TLS 1.2, RFC 5246 §5: P_SHA256(secret, label ‖ seed).
func prf(secret []byte, label string, seed []byte, length int) []byte {
	labelAndSeed := append([]byte(label), seed...)
	mac := hmac.New(sha256.New, secret)
	sum := func(parts ...[]byte) []byte {
		mac.Reset()
		for _, part := range parts {
			mac.Write(part)
		}
		return mac.Sum(nil)
	}
	var out []byte
	for a := sum(labelAndSeed); len(out) < length; a = sum(a) {
		out = append(out, sum(a, labelAndSeed)...)
	}
	return out[:length]
}

// extendedMasterSecret returns the master secret of RFC 7627 §4. The session hash covers all messages up to and
// including ClientKeyExchange.
func extendedMasterSecret(premaster, sessionHash []byte) []byte {
	return prf(premaster, "extended master secret", sessionHash, masterSecretLen)
}

// directionKeys protect what one side sends.
type directionKeys struct {
	mac, key []byte
}

// connectionKeys cuts the key block, RFC 5246 §6.3. IVs come with each record, so none is taken from it.
func connectionKeys(suite *cipherSuite, master, clientRandom, serverRandom []byte) (client, server directionKeys) {
	seed := append(append([]byte(nil), serverRandom...), clientRandom...)
	block := prf(master, "key expansion", seed, 2*macKeyLen+2*suite.keyLen)
	take := func(n int) []byte {
		part := block[:n:n]
		block = block[n:]
		return part
	}
	client.mac, server.mac = take(macKeyLen), take(macKeyLen)
	client.key, server.key = take(suite.keyLen), take(suite.keyLen)
	return client, server
}

// verifyData is what a Finished contains, RFC 5246 §7.4.9.
func verifyData(master []byte, fromClient bool, transcript hash.Hash) []byte {
	label := "server finished"
	if fromClient {
		label = "client finished"
	}
	return prf(master, label, transcript.Sum(nil), verifyDataLen)
}
