package srp

import (
	"bytes"
	"crypto/sha1"
	"testing"
)

// RFC 5054 §2.6: u = SHA1(PAD(A) | PAD(B)). One of 256 values of a group is short, and then u is another without PAD; two sides
// of one make would not notice.
func TestScramblerIsPadded(t *testing.T) {
	group := Group2048()
	short := []byte{1, 2, 3}
	padded := append(make([]byte, group.Bits()/8-len(short)), short...)
	want := sha1.Sum(append(bytes.Clone(padded), padded...))
	for name, values := range map[string][2][]byte{"short": {short, short}, "padded": {padded, padded}, "one of them": {padded, short}} {
		if got, err := scrambler(group, values[0], values[1]); err != nil || !bytes.Equal(got, want[:]) {
			t.Errorf("%s: %x, %v, want %x", name, got, err, want)
		}
	}
}
