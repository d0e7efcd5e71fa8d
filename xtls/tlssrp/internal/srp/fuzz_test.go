package srp

import (
	"bytes"
	"crypto/sha1"
	"math/big"
	"testing"
)

// fuzzGroup makes an exchange cheap: 2^192 - 2^64 - 1 is prime, which is all that the arithmetic needs.
func fuzzGroup(t testing.TB) *Group {
	t.Helper()
	n := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 192), new(big.Int).Lsh(big.NewInt(1), 64))
	group, err := NewGroup(n.Sub(n, big.NewInt(1)).Bytes(), []byte{5})
	if err != nil {
		t.Fatal(err)
	}
	return group
}

// hashPadded is SHA-1 of numbers padded to the length of N, RFC 5054 §2.4.
func hashPadded(g *Group, parts ...*big.Int) *big.Int {
	h := sha1.New()
	for _, p := range parts {
		h.Write(p.FillBytes(make([]byte, len(g.n))))
	}
	return new(big.Int).SetBytes(h.Sum(nil))
}

// serverPremaster is (A·v^u)^b by math/big.
func serverPremaster(g *Group, A, v, b, B *big.Int) []byte {
	N := new(big.Int).SetBytes(g.n)
	base := new(big.Int).Exp(v, hashPadded(g, A, B), N)
	return base.Exp(base.Mul(base, A), b, N).Bytes()
}

// clientPremaster is (B - k·g^x)^(a + u·x) by math/big.
func clientPremaster(g *Group, B, A, a, x *big.Int) []byte {
	N, G := new(big.Int).SetBytes(g.n), new(big.Int).SetBytes(g.g)
	k, u := hashPadded(g, N, G), hashPadded(g, A, B)
	base := new(big.Int).Exp(G, x, N)
	base.Sub(B, base.Mul(base, k)).Mod(base, N)
	return base.Exp(base, new(big.Int).Add(a, u.Mul(u, x)), N).Bytes()
}

// FuzzPublicValue: whatever a peer sends as A or B, it is refused if it is 0 modulo N or longer than N, and else gives the secret that
// RFC 5054 §2.6 says, in the arithmetic of math/big.
func FuzzPublicValue(f *testing.F) {
	n := fuzzGroup(f).N()
	secret := bytes.Repeat([]byte{7}, exponentLen)
	for _, public := range [][]byte{{0}, {}, {1}, {2}, n, append([]byte{0}, n...), n[:len(n)-1], append(bytes.Clone(n[:len(n)-1]), n[len(n)-1]-1), make([]byte, 24), append(make([]byte, 22), 1, 2)} {
		f.Add(public, secret, []byte("salt"), "alice", "12345678")
	}
	f.Fuzz(func(t *testing.T, public, secret, salt []byte, user, password string) {
		group := fuzzGroup(t)
		secret = append(make([]byte, exponentLen), secret...)
		secret = secret[len(secret)-exponentLen:]
		N, P := new(big.Int).SetBytes(group.n), new(big.Int).SetBytes(public)
		possible := P.Sign() > 0 && P.Cmp(N) < 0 && len(public) <= len(group.n)

		x, v, err := keyAndVerifier(group, salt, user, password)
		if err != nil {
			t.Fatal(err)
		}
		server, err := NewServer(group, v.Bytes(), bytes.NewReader(secret))
		if err != nil { // B came out as 0 modulo N, and there was no more randomness
			return
		}
		got, err := server.Premaster(public)
		if (err == nil) != possible {
			t.Fatalf("A = %x: %v", public, err)
		}
		number := func(b []byte) *big.Int { return new(big.Int).SetBytes(b) }
		if possible && !bytes.Equal(got, serverPremaster(group, P, number(v.Bytes()), number(secret), number(server.public))) {
			t.Fatalf("A = %x gives %x", public, got)
		}
		client, err := NewClient(group, bytes.NewReader(secret))
		if err != nil {
			t.Fatal(err)
		}
		got, err = client.Premaster(salt, public, user, password)
		if (err == nil) != possible {
			t.Fatalf("B = %x: %v", public, err)
		}
		if possible && !bytes.Equal(got, clientPremaster(group, P, number(client.public), number(secret), number(x))) {
			t.Fatalf("B = %x gives %x", public, got)
		}
	})
}

// FuzzGroup: what a server sends as N and g makes a group only if it can be one, and two groups are equal only as a pair of numbers.
func FuzzGroup(f *testing.F) {
	f.Add(Group2048().N(), []byte{2})
	f.Add(append([]byte{0}, Group2048().N()...), []byte{0, 2})
	f.Add([]byte{1}, []byte{})
	f.Add(bytes.Repeat([]byte{0xff}, 21), bytes.Repeat([]byte{0xff}, 21))
	f.Fuzz(func(t *testing.T, n, g []byte) {
		group, err := NewGroup(n, g)
		if err != nil {
			return
		}
		N, G := new(big.Int).SetBytes(n), new(big.Int).SetBytes(g)
		if N.Bit(0) == 0 || N.BitLen() <= 160 || G.Sign() == 0 || G.Cmp(N) >= 0 || !bytes.Equal(group.N(), N.Bytes()) || !bytes.Equal(group.G(), G.Bytes()) {
			t.Fatalf("N = %v, g = %v was taken", N, G)
		}
		same := N.Cmp(new(big.Int).SetBytes(Group2048().n)) == 0 && G.Cmp(big.NewInt(2)) == 0
		if group.Equal(Group2048()) != same {
			t.Fatalf("equal to the group of 2048 bits: %v", !same)
		}
	})
}
