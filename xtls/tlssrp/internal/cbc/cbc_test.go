package cbc

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"math/rand/v2"
	"testing"
)

func mustNew(t testing.TB, key []byte) *Cipher {
	t.Helper()
	c, err := New(key)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// both returns the cipher as the machine does it, and as every machine can.
func both(t testing.TB, key []byte) map[string]*Cipher {
	t.Helper()
	portable := mustNew(t, key)
	portable.accelerated = nil
	return map[string]*Cipher{"as here": mustNew(t, key), "portable": portable}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The vectors of NIST SP 800-38A, appendix F.2.
func TestVectors(t *testing.T) {
	iv := unhex(t, "000102030405060708090a0b0c0d0e0f")
	plaintext := unhex(t, "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"+
		"30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710")
	for key, want := range map[string]string{
		"2b7e151628aed2a6abf7158809cf4f3c": "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2" +
			"73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7",
		"8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b": "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a" +
			"571b242012fb7ae07fa9baac3df102e008b0e27988598881d920a9e64f5615cd",
		"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4": "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d" +
			"39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b",
	} {
		for name, c := range both(t, unhex(t, key)) {
			data := bytes.Clone(plaintext)
			if c.Encrypt(iv, data); !bytes.Equal(data, unhex(t, want)) {
				t.Errorf("%s, %d bits: %x", name, 4*len(key), data)
			}
			if c.Decrypt(iv, data); !bytes.Equal(data, plaintext) {
				t.Errorf("%s, %d bits, back: %x", name, 4*len(key), data)
			}
		}
	}
}

// checkAgainstLibrary holds both directions against crypto/cipher, and looks at the bytes before and behind the data.
func checkAgainstLibrary(t *testing.T, key, iv, data []byte) {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	encrypted, decrypted := bytes.Clone(data), bytes.Clone(data)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(encrypted, encrypted)
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(decrypted, decrypted)
	for name, c := range both(t, key) {
		check := func(what string, do func(iv, data []byte), want []byte) {
			t.Helper()
			const fence = "0123456789abcdef!" // of an odd length, so data is aligned to nothing
			room := append(append([]byte(fence), data...), fence...)
			ownIV := bytes.Clone(iv)
			do(ownIV, room[len(fence):len(fence)+len(data)])
			if !bytes.Equal(room, append(append([]byte(fence), want...), fence...)) || !bytes.Equal(ownIV, iv) {
				t.Errorf("%s, %s %d bytes with a key of %d: not what crypto/cipher makes of it, or more than that", name, what, len(data), len(key))
			}
		}
		check("encrypting", c.Encrypt, encrypted)
		check("decrypting", c.Decrypt, decrypted)
	}
}

// Every number of blocks that is special, and many that are not.
func TestAgainstLibrary(t *testing.T) {
	random := rand.NewChaCha8([32]byte{1})
	draw := func(n int) []byte {
		b := make([]byte, n)
		_, _ = random.Read(b)
		return b
	}
	for _, keyLen := range []int{16, 24, 32} {
		for blocks := range 40 {
			checkAgainstLibrary(t, draw(keyLen), draw(16), draw(16*blocks))
		}
		checkAgainstLibrary(t, draw(keyLen), draw(16), draw(1<<14+16))
	}
}

func FuzzAgainstLibrary(f *testing.F) {
	f.Add(uint8(0), make([]byte, 48), make([]byte, 160))
	f.Add(uint8(2), bytes.Repeat([]byte{0xff}, 48), []byte("sixteen bytes!!!"))
	f.Fuzz(func(t *testing.T, size uint8, keyAndIV, data []byte) {
		keyAndIV = append(keyAndIV, make([]byte, 48)...)
		checkAgainstLibrary(t, keyAndIV[:16+8*(size%3)], keyAndIV[32:48], data[:len(data)/16*16])
	})
}

func TestWrongLengths(t *testing.T) {
	for _, n := range []int{0, 15, 17, 33} {
		if _, err := New(make([]byte, n)); err == nil {
			t.Errorf("a key of %d bytes was taken", n)
		}
	}
	c := mustNew(t, make([]byte, 16))
	for name, do := range map[string]func(){
		"short IV":      func() { c.Encrypt(make([]byte, 15), make([]byte, 16)) },
		"long IV":       func() { c.Decrypt(make([]byte, 17), make([]byte, 16)) },
		"part of block": func() { c.Encrypt(make([]byte, 16), make([]byte, 17)) },
		"and back":      func() { c.Decrypt(make([]byte, 16), make([]byte, 15)) },
	} {
		if !panics(do) {
			t.Errorf("%s: nothing happened", name)
		}
	}
}

func panics(do func()) (did bool) {
	defer func() { did = recover() != nil }()
	do()
	return false
}
