// Package srp is the arithmetic of RFC 5054: SRP-6a with SHA-1, as TLS uses it.
//
// It knows nothing of TLS. Numbers from the network come in as bytes and are checked here; every value that depends on the
// password or on a private exponent is computed in constant time, by package modexp. Names are those of the RFC: N and g the
// group, I and P name and password, a and b the private exponents, A and B the public values, x the private key, v the verifier, u
// the scrambling parameter, S the premaster secret.
package srp

import (
	"bytes"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"sync"

	"xtls-agent/xtls/tlssrp/internal/modexp"
)

// exponentLen is the length in bytes of a and b. RFC 5054 §3.1 asks for 256 bits at least.
const exponentLen = 32

// ErrPublicValue says that the peer's A or B must not be used.
var ErrPublicValue = errors.New("srp: public value of the peer is 0 modulo N or not less than N")

// errScrambler says that u is 0, which happens by chance once in 2^160 times.
var errScrambler = errors.New("srp: scrambling parameter u is 0")

// errVerifier says that a verifier was damaged, or made for another group.
var errVerifier = errors.New("srp: verifier is not a number between 1 and N-1 of its group")

// Verifier returns v = g^x for a new entry in a password file, RFC 5054 §2.4. It is as long as N.
func Verifier(group *Group, salt []byte, username, password string) ([]byte, error) {
	_, v, err := keyAndVerifier(group, salt, username, password)
	if err != nil {
		return nil, err
	}
	return v.Bytes(), nil
}

// RandomElement returns a random number between 1 and N-1, as long as N.
func RandomElement(group *Group, random io.Reader) ([]byte, error) {
	const tries = 256 // each succeeds with a probability of at least 1/256, for the groups in use almost 1
	b := make([]byte, len(group.n))
	for range tries {
		if _, err := io.ReadFull(random, b); err != nil {
			return nil, fmt.Errorf("srp: reading random bytes: %w", err)
		}
		if _, err := parseNonzero(group, b); err == nil {
			return b, nil
		}
	}
	return nil, errors.New("srp: the source of randomness is broken")
}

// A Client is the client's part of one exchange.
type Client struct {
	group  *Group
	secret []byte // a
	public []byte // A, as long as N
}

// NewClient draws a and computes A = g^a. g being a generator, A is never 0 modulo N.
func NewClient(group *Group, random io.Reader) (*Client, error) {
	secret := make([]byte, exponentLen)
	if _, err := io.ReadFull(random, secret); err != nil {
		return nil, fmt.Errorf("srp: drawing a: %w", err)
	}
	numbers, err := group.numbers()
	if err != nil {
		return nil, err
	}
	return &Client{group, secret, numbers.powers().Exp(secret).Bytes()}, nil
}

// Public returns A without leading zeros.
func (c *Client) Public() []byte { return minimal(c.public) }

// Premaster returns S for the server's salt and B, without leading zeros: S = (B - k·g^x)^(a + u·x), RFC 5054 §2.6.
func (c *Client) Premaster(salt, serverPublic []byte, username, password string) ([]byte, error) {
	B, err := parseNonzero(c.group, serverPublic)
	if err != nil {
		return nil, ErrPublicValue
	}
	u, err := scrambler(c.group, c.public, serverPublic)
	if err != nil {
		return nil, err
	}
	numbers, err := c.group.numbers()
	if err != nil {
		return nil, err
	}
	x, v, err := keyAndVerifier(c.group, salt, username, password)
	if err != nil {
		return nil, err
	}
	e, err := exponent(c.secret, u, x)
	if err != nil {
		return nil, err
	}
	return minimal(B.Sub(numbers.k.Mul(v)).Exp(e).Bytes()), nil
}

// A Server is the server's part of one exchange.
type Server struct {
	group  *Group
	v      *modexp.Element
	secret []byte // b
	public []byte // B, as long as N
}

// NewServer draws b and computes B = k·v + g^b, again if B should come out as 0.
func NewServer(group *Group, verifier []byte, random io.Reader) (*Server, error) {
	v, err := parseNonzero(group, verifier)
	if err != nil {
		return nil, errVerifier
	}
	numbers, err := group.numbers()
	if err != nil {
		return nil, err
	}
	const tries = 8 // a second one is needed about never
	secret := make([]byte, exponentLen)
	for range tries {
		if _, err := io.ReadFull(random, secret); err != nil {
			return nil, fmt.Errorf("srp: drawing b: %w", err)
		}
		if B := numbers.k.Mul(v).Add(numbers.powers().Exp(secret)); !B.IsZero() {
			return &Server{group, v, secret, B.Bytes()}, nil
		}
	}
	return nil, errors.New("srp: the source of randomness is broken")
}

// Public returns B without leading zeros.
func (s *Server) Public() []byte { return minimal(s.public) }

// Premaster returns S for the client's A, without leading zeros: S = (A · v^u)^b, RFC 5054 §2.6.
func (s *Server) Premaster(clientPublic []byte) ([]byte, error) {
	A, err := parseNonzero(s.group, clientPublic)
	if err != nil {
		return nil, ErrPublicValue
	}
	u, err := scrambler(s.group, clientPublic, s.public)
	if err != nil {
		return nil, err
	}
	return minimal(A.Mul(s.v.Exp(u)).Exp(s.secret).Bytes()), nil
}

// keyAndVerifier returns x = SHA1(salt ‖ SHA1(I ":" P)) and v = g^x. The salt is hashed as it came, leading zeros and all.
func keyAndVerifier(group *Group, salt []byte, username, password string) ([]byte, *modexp.Element, error) {
	inner := sha1.New()
	_, _ = io.WriteString(inner, username+":"+password)
	outer := sha1.New()
	outer.Write(salt)
	outer.Write(inner.Sum(nil))
	x := outer.Sum(nil)

	numbers, err := group.numbers()
	if err != nil {
		return nil, nil, err
	}
	return x, numbers.powers().Exp(x), nil
}

// scrambler returns u = SHA1(PAD(A) ‖ PAD(B)), RFC 5054 §2.6. A and B have been checked to be less than N.
func scrambler(group *Group, clientPublic, serverPublic []byte) ([]byte, error) {
	u := sha1.Sum(append(group.pad(clientPublic), group.pad(serverPublic)...))
	return checkScrambler(u[:])
}

// checkScrambler refuses a u of 0: with it S would not depend on the password.
func checkScrambler(u []byte) ([]byte, error) {
	if len(bytes.Trim(u, "\x00")) == 0 {
		return nil, errScrambler
	}
	return u, nil
}

// exponentModulus is 2^384 - 1, greater than any a + u·x.
var exponentModulus = sync.OnceValues(func() (*modexp.Modulus, error) { return modexp.NewModulus(bytes.Repeat([]byte{0xff}, 48)) })

// exponent returns a + u·x as an integer, big-endian, always of the same length: a has 256 bits, u and x 160 each, so the sum has at most
// 321. It is computed modulo 2^384 - 1, which changes nothing, since modular arithmetic is there and runs in constant time.
func exponent(a, u, x []byte) ([]byte, error) {
	m, err := exponentModulus()
	if err != nil {
		return nil, err
	}
	var terms [3]*modexp.Element
	for i, b := range [][]byte{a, u, x} {
		if terms[i], err = m.Element(b); err != nil {
			return nil, err
		}
	}
	sum := terms[0].Add(terms[1].Mul(terms[2])).Bytes()
	return sum[len(sum)-(exponentLen+9):], nil
}

// element reads a number that is known to be less than N.
func element(group *Group, b []byte) (*modexp.Element, error) {
	numbers, err := group.numbers()
	if err != nil {
		return nil, err
	}
	return numbers.modulus.Element(b)
}

// parseNonzero reads a number that must be between 1 and N-1 and no longer than N; leading zeros within that length are fine.
func parseNonzero(group *Group, b []byte) (*modexp.Element, error) {
	x, err := element(group, b)
	if err != nil {
		return nil, err
	}
	if x.IsZero() {
		return nil, errors.New("srp: number is 0")
	}
	return x, nil
}

// minimal strips leading zeros: the peers all send A and B so, and RFC 5054 §2.6 takes S so. For S that is not constant time and
// cannot be, since the length goes into the key derivation; S is as fresh as a and b.
func minimal(b []byte) []byte { return bytes.TrimLeft(b, "\x00") }
