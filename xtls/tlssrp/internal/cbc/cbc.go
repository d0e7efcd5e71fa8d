// Package cbc is AES in CBC mode (NIST SP 800-38A §6.2), in place, for the records of TLS 1.2.
//
// The standard library does one block after the other by calls of a function, although the blocks of a ciphertext can be decrypted side
// by side. On amd64 processors with AES instructions this package does that; everywhere else it is crypto/aes and crypto/cipher. Time does
// not depend on key or data where it has code of its own; elsewhere that is as crypto/aes has it.
//
// It knows nothing of padding and authenticates nothing.
package cbc

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
)

// A Cipher is AES with one key. It keeps nothing from call to call.
type Cipher struct {
	block       cipher.Block
	accelerated *schedule // nil where the processor has no instructions for it
}

// New takes a key of 16, 24 or 32 bytes.
func New(key []byte) (*Cipher, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("cbc: %w", err)
	}
	return &Cipher{block, newSchedule(key)}, nil
}

// Encrypt encrypts data in place. It panics if iv is not a block, or data not a whole number of blocks.
func (c *Cipher) Encrypt(iv, data []byte) {
	check(iv, data)
	switch {
	case len(data) == 0:
	case c.accelerated != nil:
		c.accelerated.encrypt(iv, data)
	default:
		cipher.NewCBCEncrypter(c.block, iv).CryptBlocks(data, data)
	}
}

// Decrypt is the inverse of Encrypt.
func (c *Cipher) Decrypt(iv, data []byte) {
	check(iv, data)
	switch {
	case len(data) == 0:
	case c.accelerated != nil:
		c.accelerated.decrypt(iv, data)
	default:
		cipher.NewCBCDecrypter(c.block, iv).CryptBlocks(data, data)
	}
}

func check(iv, data []byte) {
	if len(iv) != aes.BlockSize || len(data)%aes.BlockSize != 0 {
		panic(fmt.Sprintf("cbc: an IV of %d bytes and data of %d", len(iv), len(data)))
	}
}
