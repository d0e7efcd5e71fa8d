package trust

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// comparisonLabel keeps the hash apart from every other use of SHA-256.
const comparisonLabel = "xtls-agent comparison code 1\x00"

// ComparisonCode returns the 6 digits that both programs show after pairing, for
// people who want to compare (DESIGN §3, Enrolment). It does not depend on the order:
//
//	SHA-256(label ‖ smaller fingerprint ‖ larger fingerprint)
//
// of which the first 8 bytes, as a big-endian number, modulo 10^6, with leading
// zeros. The label is "xtls-agent comparison code 1" and a NUL.
//
// It is a second look, not the proof: the proof is the PIN. Six digits alone would not
// hold off somebody who makes many certificates until the digits agree.
func ComparisonCode(a, b Fingerprint) string {
	if bytes.Compare(a[:], b[:]) > 0 {
		a, b = b, a
	}
	h := sha256.New()
	h.Write([]byte(comparisonLabel))
	h.Write(a[:])
	h.Write(b[:])
	return fmt.Sprintf("%06d", binary.BigEndian.Uint64(h.Sum(nil))%1_000_000)
}
