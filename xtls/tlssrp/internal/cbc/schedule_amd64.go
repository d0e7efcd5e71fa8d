//go:build !purego

package cbc

import (
	"crypto/aes"
	"encoding/binary"
	"math/bits"
	"slices"

	"golang.org/x/sys/cpu"
)

// maxRounds is that of AES-256.
const maxRounds = 14

// A schedule holds the round keys, FIPS 197 §5.2 and, for decryption, §5.3.5 (the equivalent inverse cipher).
type schedule struct {
	rounds   int
	enc, dec [maxRounds + 1][aes.BlockSize]byte
}

// newSchedule returns nil if the processor lacks AES or AVX instructions.
func newSchedule(key []byte) *schedule {
	if !cpu.X86.HasAES || !cpu.X86.HasAVX {
		return nil
	}
	s := &schedule{rounds: len(key)/4 + 6}
	for i, w := range expand(key, 4*(s.rounds+1)) {
		binary.BigEndian.PutUint32(s.enc[i/4][i%4*4:], w)
	}
	copy(s.dec[:], s.enc[:s.rounds+1])
	slices.Reverse(s.dec[:s.rounds+1])
	for i := 1; i < s.rounds; i++ {
		inverseMixColumns(&s.dec[i])
	}
	return s
}

// expand is KeyExpansion of FIPS 197 §5.2, to n words.
func expand(key []byte, n int) []uint32 {
	var w []uint32
	for at := 0; at < len(key); at += 4 {
		w = append(w, binary.BigEndian.Uint32(key[at:]))
	}
	words, constant := len(w), uint32(1)
	for i := words; i < n; i++ {
		t := w[i-1]
		switch {
		case i%words == 0:
			t = subWord(bits.RotateLeft32(t, 8)) ^ constant<<24
			constant = constant<<1 ^ constant>>7*0x11b // times x, FIPS 197 §4.2
		case words > 6 && i%words == 4:
			t = subWord(t)
		}
		w = append(w, w[i-words]^t)
	}
	return w
}

func (s *schedule) encrypt(iv, data []byte) {
	encryptBlocks(&s.enc[0], &s.enc[s.rounds], &iv[0], &data[0], len(data)/aes.BlockSize)
}

func (s *schedule) decrypt(iv, data []byte) {
	decryptBlocks(&s.dec[0], &s.dec[s.rounds], &iv[0], &data[0], len(data)/aes.BlockSize)
}

// subWord is SubWord of FIPS 197 §5.2.
//
//go:noescape
func subWord(w uint32) uint32

// inverseMixColumns is InvMixColumns of FIPS 197 §5.3.3.
//
//go:noescape
func inverseMixColumns(key *[aes.BlockSize]byte)

// encryptBlocks encrypts blocks in place, at least one, with the round keys from first to last.
//
//go:noescape
func encryptBlocks(first, last *[aes.BlockSize]byte, iv, data *byte, blocks int)

// decryptBlocks decrypts blocks in place, at least one, with the round keys from first to last.
//
//go:noescape
func decryptBlocks(first, last *[aes.BlockSize]byte, iv, data *byte, blocks int)
