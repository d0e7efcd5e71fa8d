package tlssrp

import (
	"crypto/rand"
	"testing"
)

// What a record needs is made with the keys. Without AES instructions, crypto/cipher makes something for each.
func TestRecordsAllocateLittle(t *testing.T) {
	const each = 2 // sealing and opening
	out, in := testProtection(t), testProtection(t)
	plaintext, room := make([]byte, maxPlaintext), make([]byte, 0, maxCiphertext)
	allocations := testing.AllocsPerRun(100, func() {
		sealed, err := out.seal(room, recordApplicationData, plaintext, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := in.open(recordApplicationData, sealed); err != nil {
			t.Fatal(err)
		}
	})
	if allocations > each {
		t.Errorf("%v allocations for sealing and opening a record", allocations)
	}
}
