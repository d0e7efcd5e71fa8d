package srp

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	kongsrp "github.com/kong/go-srp"

	"xtls-agent/xtls/tlssrp/internal/modexp"
)

// A Group is a pair (N, g): a safe prime and a generator. Groups are compared as pairs, by Equal.
type Group struct {
	n, g []byte // big-endian, without leading zeros

	// What takes a while to compute and is often not needed. It never changes.
	numbers func() (*numbers, error)
}

// numbers are what all exchanges in a group compute with.
type numbers struct {
	modulus *modexp.Modulus
	k       *modexp.Element     // RFC 5054 §2.5.3
	powers  func() *modexp.Base // of g, for exponents of up to exponentLen bytes
}

func newGroup(n, g []byte) *Group {
	group := &Group{n: n, g: g}
	group.numbers = sync.OnceValues(group.compute)
	return group
}

func (g *Group) compute() (*numbers, error) {
	modulus, err := modexp.NewModulus(g.n)
	if err != nil {
		return nil, err
	}
	generator, err := modulus.Element(g.g)
	if err != nil {
		return nil, err
	}
	k, err := modulus.Element(g.multiplier())
	if err != nil {
		return nil, err
	}
	powers := sync.OnceValue(func() *modexp.Base { return generator.Base(exponentLen) })
	return &numbers{modulus, k, powers}, nil
}

// Prepare computes what all exchanges in the group share, once in a process. What is not prepared is computed for the first of them.
func (g *Group) Prepare() {
	if numbers, err := g.numbers(); err == nil { // else the exchanges will say so
		numbers.powers()
	}
}

// multiplier returns k = SHA1(N ‖ PAD(g)), RFC 5054 §2.5.3.
func (g *Group) multiplier() []byte {
	k := sha1.Sum(append(g.N(), g.pad(g.g)...))
	return k[:]
}

// minGroupBytes keeps k, a SHA-1 value, below N.
const minGroupBytes = 21

// NewGroup makes a group of any N and g, big-endian. It cannot tell whether N is a safe prime: it is for the groups below and for tests.
func NewGroup(n, g []byte) (*Group, error) {
	n, g = bytes.TrimLeft(n, "\x00"), bytes.TrimLeft(g, "\x00")
	if len(n) < minGroupBytes || n[len(n)-1]&1 == 0 {
		return nil, fmt.Errorf("srp: N must be an odd number of at least %d bytes", minGroupBytes)
	}
	if len(g) == 0 || len(g) >= len(n) {
		return nil, errors.New("srp: g must be greater than 0 and shorter than N")
	}
	return newGroup(bytes.Clone(n), bytes.Clone(g)), nil
}

// The groups of RFC 5054 appendix A, each made when it is first asked for and then the same for all.
var (
	group2048 = sync.OnceValue(func() *Group { return library(2048) })
	group3072 = sync.OnceValue(func() *Group { return newGroup(fromHex(n3072), []byte{5}) })
	group4096 = sync.OnceValue(func() *Group { return library(4096) })
)

// Group2048 returns group 3 of RFC 5054 appendix A.
func Group2048() *Group { return group2048() }

// Group3072 returns group 4 of RFC 5054 appendix A. The library of groups does not have it.
func Group3072() *Group { return group3072() }

// Group4096 returns group 5 of RFC 5054 appendix A.
func Group4096() *Group { return group4096() }

func library(bits int) *Group {
	params := kongsrp.GetParams(bits)
	return newGroup(params.N.Bytes(), params.G.Bytes())
}

func fromHex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic("srp: internal error: N of 3072 bits: " + err.Error())
	}
	return b
}

// N returns the prime, big-endian without leading zeros.
func (g *Group) N() []byte { return bytes.Clone(g.n) }

// G returns the generator, big-endian without leading zeros.
func (g *Group) G() []byte { return bytes.Clone(g.g) }

// Bits returns the size of N rounded up to whole bytes, in bits.
func (g *Group) Bits() int { return 8 * len(g.n) }

// Equal tells whether N and g are both the same.
func (g *Group) Equal(other *Group) bool {
	return other != nil && bytes.Equal(g.n, other.n) && bytes.Equal(g.g, other.g)
}

// String returns the size, as "3072-bit group".
func (g *Group) String() string { return fmt.Sprintf("%d-bit group", g.Bits()) }

// pad is PAD of RFC 5054 §2.1: leading zeros up to the length of N.
func (g *Group) pad(b []byte) []byte {
	padded := make([]byte, len(g.n))
	copy(padded[len(padded)-len(b):], b)
	return padded
}

// n3072 is N = 2^3072 - 2^3008 - 1 + 2^64 · (⌊2^2942 π⌋ + 1690314), RFC 3526 §4.
const n3072 = `FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74` +
	`020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437` +
	`4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED` +
	`EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF05` +
	`98DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB` +
	`9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B` +
	`E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718` +
	`3995497CEA956AE515D2261898FA051015728E5A8AAAC42DAD33170D04507A33` +
	`A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7` +
	`ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864` +
	`D87602733EC86A64521F2B18177B200CBBE117577A615D6C770988C0BAD946E2` +
	`08E24FA074E5AB3143DB5BFCE0FD108E4B82D120A93AD2CAFFFFFFFFFFFFFFFF`
