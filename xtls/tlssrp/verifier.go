package tlssrp

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"xtls-agent/xtls/tlssrp/internal/srp"
)

// A Group is a pair (N, g) of RFC 5054 appendix A: arithmetic is done modulo the safe prime N on powers of g.
type Group = srp.Group

// Group2048 returns the group of 2048 bits.
func Group2048() *Group { return srp.Group2048() }

// Group3072 returns the group of 3072 bits, the default for new verifiers.
func Group3072() *Group { return srp.Group3072() }

// Group4096 returns the group of 4096 bits.
func Group4096() *Group { return srp.Group4096() }

// saltLen is the length in bytes of the salts that we make.
const saltLen = 16

// A Verifier is what a server keeps of a user's name and password (RFC 5054 §2.4). It allows testing passwords, so it is as
// secret as a weak password is; it does not print.
type Verifier struct {
	Group *Group
	Salt  []byte // 1 to 255 bytes, the first of them not 0
	V     []byte // g^x mod N, big-endian
}

// NewVerifier makes the verifier of a user with a fresh salt. A nil group means 3072 bits, a nil random crypto/rand.
func NewVerifier(group *Group, random io.Reader, username, password string) (*Verifier, error) {
	if group == nil {
		group = Group3072()
	}
	if random == nil {
		random = rand.Reader
	}
	if username == "" || password == "" {
		return nil, errors.New("tlssrp: making a verifier: user name or password is empty")
	}
	salt := make([]byte, saltLen)
	if _, err := io.ReadFull(random, salt); err != nil {
		return nil, fmt.Errorf("tlssrp: making a salt: %w", err)
	}
	avoidLeadingZero(salt)
	v, err := srp.Verifier(group, salt, username, password)
	if err != nil {
		return nil, fmt.Errorf("tlssrp: making a verifier: %w", err)
	}
	return &Verifier{Group: group, Salt: salt, V: v}, nil
}

// avoidLeadingZero serves OpenSSL, which reads the salt as a number and so hashes it without leading zeros.
func avoidLeadingZero(salt []byte) {
	if salt[0] == 0 {
		salt[0] = 1
	}
}

// fakeVerifier stands in for a user that does not exist, RFC 5054 §2.5.1.3: the salt is a function of the name, so that asking
// twice tells nothing, and V is a number that nobody knows. It costs no exponentiation, as a stored verifier does not.
func fakeVerifier(config *Config, username string) (*Verifier, error) {
	mac := hmac.New(sha256.New, config.FakeSaltKey)
	mac.Write([]byte(username))
	salt := mac.Sum(nil)[:saltLen]
	avoidLeadingZero(salt)
	group := config.fakeGroup()
	v, err := srp.RandomElement(group, config.rand())
	if err != nil {
		return nil, fmt.Errorf("making a fake verifier: %w", err)
	}
	return &Verifier{Group: group, Salt: salt, V: v}, nil
}

// String names the group and nothing else.
func (v *Verifier) String() string {
	if v == nil || v.Group == nil {
		return "tlssrp.Verifier(none)"
	}
	return fmt.Sprintf("tlssrp.Verifier(%v, redacted)", v.Group)
}

// GoString is String, so that %#v tells no more than %v.
func (v *Verifier) GoString() string { return v.String() }

// Format is String whatever the verb, also for %x and for a Verifier that is not a pointer.
func (v Verifier) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, v.String()) }
