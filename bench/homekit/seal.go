package homekit

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha512"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

// derive makes a key of a shared secret: HKDF with SHA-512 (HAP §5.5.4). The names of salt and info end alike everywhere.
func derive(secret []byte, salt, info string) ([]byte, error) {
	key, err := hkdf.Key(sha512.New, secret, []byte(salt), info, chacha20poly1305.KeySize)
	if err != nil {
		return nil, fmt.Errorf("homekit: %w", err)
	}
	return key, nil
}

func deriveAEAD(secret []byte, salt, info string) (cipher.AEAD, error) {
	key, err := derive(secret, salt, info)
	if err != nil {
		return nil, err
	}
	return chacha20poly1305.New(key)
}

// nonceOf makes twelve bytes of the eight that HAP names or counts.
func nonceOf(eight []byte) []byte {
	return append(make([]byte, 4, chacha20poly1305.NonceSize), eight...)
}

// sealTLV8 encrypts what goes into an item of type encrypted data.
func sealTLV8(key cipher.AEAD, nonce string, t tlv8) []byte {
	return key.Seal(nil, nonceOf([]byte(nonce)), t.encode(), nil)
}

func openTLV8(key cipher.AEAD, nonce string, sealed []byte) (tlv8, error) {
	plain, err := key.Open(nil, nonceOf([]byte(nonce)), sealed, nil)
	if err != nil {
		return nil, fmt.Errorf("homekit: %s: %w", nonce, err)
	}
	return decodeTLV8(plain)
}
