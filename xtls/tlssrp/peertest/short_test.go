package peertest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"io"
	"math/big"
	"net"
	"testing"
	"time"

	"xtls-agent/internal/testpeer"
	"xtls-agent/xtls/tlssrp"
	"xtls-agent/xtls/tlssrp/internal/srp"
)

// A, B and S go out, or into the key derivation, without leading zero bytes, but are hashed with them in u. A side that
// gets this wrong fails in one handshake of some hundred, so these tests make thousands, and count.

const (
	// manyHandshakes is how many: about 24 of them have a short A, as many a short B, and so on. That there are fewer
	// than minShort happens once in a hundred million runs.
	manyHandshakes = 3000
	minShort       = 3

	// smallN is a safe prime of 256 bits, for this test only, and 2 a generator: handshakes are quick. Its first byte is
	// as small as can be, so that the first byte of a number below it is 0 once in 128 times.
	smallN = "8036abb275db8b7519b97cc99773f9534947a152593d3497428fa7e9bf5fb993"
	smallG = "02"
)

// TestSmallGroup checks the constants above.
func TestSmallGroup(t *testing.T) {
	n := bigHex(t, smallN)
	q := new(big.Int).Rsh(n, 1)
	if n.BitLen() != 256 || !n.ProbablyPrime(32) || !q.ProbablyPrime(32) {
		t.Error("N is no safe prime of 256 bits")
	}
	if new(big.Int).Exp(big.NewInt(2), q, n).Cmp(big.NewInt(1)) == 0 {
		t.Error("2 does not generate the whole group")
	}
}

func TestClientManyHandshakes(t *testing.T) {
	t.Parallel()
	peer, addr := testpeer.LibSSLServer(t, smallGroupOptions())
	group := smallGroup(t)
	var count shortCount
	for range manyHandshakes {
		random := &recordingReader{}
		conn := tlssrp.Client(dialQuick(t, addr), &tlssrp.Config{
			Rand: random, Groups: []*tlssrp.Group{group}, Username: user, Password: password,
			CipherSuites: []uint16{tlssrp.TLS_SRP_SHA_WITH_AES_128_CBC_SHA},
		})
		err := handshake(t.Context(), conn)
		conn.Close()
		result := peer.Result(t)
		if err != nil || !result.OK {
			t.Fatalf("handshake %d: we say %v, libssl %+v", count.handshakes, err, result)
		}
		x := newExchange(t, result)
		count.add(x, x.clientPremaster(random.read))
	}
	count.check(t)
}

func TestServerManyHandshakes(t *testing.T) {
	t.Parallel()
	verifier, err := tlssrp.NewVerifier(smallGroup(t), nil, user, password)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	peer := testpeer.LibSSLClient(t, l.Addr().String(), smallGroupOptions())
	v := new(big.Int).SetBytes(verifier.V)
	var count shortCount
	for range manyHandshakes {
		random := &recordingReader{}
		err := serveQuick(t, l, &tlssrp.Config{
			Rand:         random,
			GetVerifier:  func(context.Context, *tlssrp.ClientHelloInfo) (*tlssrp.Verifier, error) { return verifier, nil },
			CipherSuites: []uint16{tlssrp.TLS_SRP_SHA_WITH_AES_128_CBC_SHA},
		})
		result := peer.Result(t)
		if err != nil || !result.OK {
			t.Fatalf("handshake %d: we say %v, libssl %+v", count.handshakes, err, result)
		}
		x := newExchange(t, result)
		count.add(x, x.serverPremaster(random.read, v))
	}
	count.check(t)
}

func smallGroupOptions() testpeer.LibSSLOptions {
	return testpeer.LibSSLOptions{
		User: user, Password: password, N: smallN, G: smallG, Suites: "SRP-AES-128-CBC-SHA", Count: manyHandshakes,
	}
}

func smallGroup(t *testing.T) *tlssrp.Group {
	t.Helper()
	group, err := srp.NewGroup(bigHex(t, smallN).Bytes(), bigHex(t, smallG).Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return group
}

// dialQuick is dial without a cleanup for each of thousands.
func dialQuick(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// serveQuick accepts one connection, and waits after the handshake until the client closes.
func serveQuick(t *testing.T, l net.Listener, config *tlssrp.Config) error {
	t.Helper()
	if err := l.(interface{ SetDeadline(time.Time) error }).SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	raw, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	conn := tlssrp.Server(raw, config)
	defer conn.Close()
	if err := handshake(t.Context(), conn); err != nil {
		return err
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// recordingReader is crypto/rand that keeps what it gave, each read by itself.
type recordingReader struct {
	read [][]byte
}

func (r *recordingReader) Read(b []byte) (int, error) {
	n, err := rand.Read(b)
	r.read = append(r.read, bytes.Clone(b[:n]))
	return n, err
}

// exchange computes by math/big what RFC 5054 §2.6 prescribes, from what libssl saw on the wire.
type exchange struct {
	t            *testing.T
	n, g         *big.Int
	a, b         *big.Int // A and B
	aWire, bWire []byte
	salt         []byte
}

func newExchange(t *testing.T, seen testpeer.LibSSLResult) *exchange {
	t.Helper()
	x := &exchange{t: t, n: bigHex(t, smallN), g: bigHex(t, smallG)}
	var err [3]error
	x.aWire, err[0] = hex.DecodeString(seen.A)
	x.bWire, err[1] = hex.DecodeString(seen.B)
	x.salt, err[2] = hex.DecodeString(seen.Salt)
	if e := errors.Join(err[:]...); e != nil {
		t.Fatal(e)
	}
	x.a, x.b = new(big.Int).SetBytes(x.aWire), new(big.Int).SetBytes(x.bWire)
	return x
}

// clientPremaster is S = (B - k·g^x)^(a + u·x), where a is among the random bytes that our client drew.
func (x *exchange) clientPremaster(drawn [][]byte) *big.Int {
	x.t.Helper()
	a := x.find(drawn, func(e *big.Int) bool { return x.pow(x.g, e).Cmp(x.a) == 0 })
	private := x.hash(x.salt, x.hash([]byte(user+":"+password)).Bytes())
	base := new(big.Int).Mul(x.multiplier(), x.pow(x.g, private))
	base.Mod(base.Sub(x.b, base), x.n)
	return x.pow(base, a.Add(a, private.Mul(private, x.scrambler())))
}

// serverPremaster is S = (A·v^u)^b, where b is among the random bytes that our server drew.
func (x *exchange) serverPremaster(drawn [][]byte, v *big.Int) *big.Int {
	x.t.Helper()
	kv := new(big.Int).Mul(x.multiplier(), v)
	b := x.find(drawn, func(e *big.Int) bool {
		sum := x.pow(x.g, e)
		return sum.Mod(sum.Add(sum, kv), x.n).Cmp(x.b) == 0
	})
	base := new(big.Int).Mul(x.a, x.pow(v, x.scrambler()))
	return x.pow(base.Mod(base, x.n), b)
}

// find returns the private exponent among what was drawn: the one that fits.
func (x *exchange) find(drawn [][]byte, fits func(*big.Int) bool) *big.Int {
	x.t.Helper()
	for _, b := range drawn {
		if e := new(big.Int).SetBytes(b); len(b) >= 32 && fits(e) {
			return e
		}
	}
	x.t.Fatalf("none of %d draws is the private exponent", len(drawn))
	return nil
}

func (x *exchange) multiplier() *big.Int { return x.hash(x.n.Bytes(), x.pad(x.g)) }
func (x *exchange) scrambler() *big.Int  { return x.hash(x.pad(x.a), x.pad(x.b)) }

func (x *exchange) pad(n *big.Int) []byte { return n.FillBytes(make([]byte, len(x.n.Bytes()))) }

func (x *exchange) pow(base, e *big.Int) *big.Int { return new(big.Int).Exp(base, e, x.n) }

func (x *exchange) hash(parts ...[]byte) *big.Int {
	sum := sha1.Sum(bytes.Join(parts, nil))
	return new(big.Int).SetBytes(sum[:])
}

// shortCount counts how often A, B and S were shorter than N.
type shortCount struct {
	handshakes, a, b, s int
}

// add takes A and B as they were on the wire: one that is padded is not short.
func (c *shortCount) add(x *exchange, s *big.Int) {
	const full = len(smallN) / 2
	c.handshakes++
	if len(x.aWire) < full {
		c.a++
	}
	if len(x.bWire) < full {
		c.b++
	}
	if len(s.Bytes()) < full {
		c.s++
	}
}

func (c *shortCount) check(t *testing.T) {
	t.Helper()
	c.checkLeast(t, minShort)
}

func (c *shortCount) checkLeast(t *testing.T, least int) {
	t.Helper()
	t.Logf("%d handshakes, of which short: A %d, B %d, S %d", c.handshakes, c.a, c.b, c.s)
	if c.a < least || c.b < least || c.s < least {
		t.Errorf("too few short ones, want %d of each: %+v", least, *c)
	}
}

func bigHex(t *testing.T, s string) *big.Int {
	t.Helper()
	n, ok := new(big.Int).SetString(s, 16)
	if !ok {
		t.Fatalf("not hexadecimal: %s", s)
	}
	return n
}
