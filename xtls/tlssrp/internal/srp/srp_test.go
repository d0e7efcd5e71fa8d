package srp

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"math/big"
	"strings"
	"testing"

	kongsrp "github.com/kong/go-srp"

	"xtls-agent/xtls/tlssrp/internal/modexp"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The test vectors of RFC 5054 appendix B, in the group of 1024 bits that is used nowhere else.
const (
	vectorUser     = "alice"
	vectorPassword = "password123"
	vectorSalt     = "BEB25379 D1A8581E B5A72767 3A2441EE"
	vectorK        = "7556AA04 5AEF2CDD 07ABAF0F 665C3E81 8913186F"
	vectorX        = "94B7555A ABE9127C C58CCF49 93DB6CF8 4D16C124"
	vectorV        = `7E273DE8 696FFC4F 4E337D05 B4B375BE B0DDE156 9E8FA00A 9886D812 9BADA1F1 822223CA 1A605B53 0E379BA4 729FDC59 F105B478
		7E5186F5 C671085A 1447B52A 48CF1970 B4FB6F84 00BBF4CE BFBB1681 52E08AB5 EA53D15C 1AFF87B2 B9DA6E04 E058AD51 CC72BFC9
		033B564E 26480D78 E955A5E2 9E7AB245 DB2BE315 E2099AFB`
	vectorLittleA = "60975527 035CF2AD 1989806F 0407210B C81EDC04 E2762A56 AFD529DD DA2D4393"
	vectorLittleB = "E487CB59 D31AC550 471E81F0 0F6928E0 1DDA08E9 74A004F4 9E61F5D1 05284D20"
	vectorA       = `61D5E490 F6F1B795 47B0704C 436F523D D0E560F0 C64115BB 72557EC4 4352E890 3211C046 92272D8B 2D1A5358 A2CF1B6E 0BFCF99F
		921530EC 8E393561 79EAE45E 42BA92AE ACED8251 71E1E8B9 AF6D9C03 E1327F44 BE087EF0 6530E69F 66615261 EEF54073 CA11CF58
		58F0EDFD FE15EFEA B349EF5D 76988A36 72FAC47B 0769447B`
	vectorB = `BD0C6151 2C692C0C B6D041FA 01BB152D 4916A1E7 7AF46AE1 05393011 BAF38964 DC46A067 0DD125B9 5A981652 236F99D9 B681CBF8
		7837EC99 6C6DA044 53728610 D0C6DDB5 8B318885 D7D82C7F 8DEB75CE 7BD4FBAA 37089E6F 9C6059F3 88838E7A 00030B33 1EB76840
		910440B1 B27AAEAE EB4012B7 D7665238 A8E3FB00 4B117B58`
	vectorU = "CE38B959 3487DA98 554ED47D 70A7AE5F 462EF019"
	vectorS = `B0DC82BA BCF30674 AE450C02 87745E79 90A3381F 63B387AA F271A10D 233861E3 59B48220 F7C4693C 9AE12B0A 6F67809F 0876E2D0
		13800D6C 41BB59B6 D5979B5C 00A172B4 A2A5903A 0BDCAF8A 709585EB 2AFAFA8F 3499B200 210DCC1F 10EB3394 3CD67FC8 8A2F39A4
		BE5BEC4E C0A3212D C346D7E4 74B29EDE 8A469FFE CA686E5A`
)

func TestVectorsOfRFC5054(t *testing.T) {
	group := library(1024)
	salt := unhex(t, vectorSalt)
	same := func(name string, got []byte, want string) {
		t.Helper()
		if !bytes.Equal(got, unhex(t, want)) {
			t.Errorf("%s is %X, want %s", name, got, want)
		}
	}

	k, err := multiplier(group)
	if err != nil {
		t.Fatal(err)
	}
	same("k", minimal(k.Bytes()), vectorK)
	x, v, err := keyAndVerifier(group, salt, vectorUser, vectorPassword)
	if err != nil {
		t.Fatal(err)
	}
	same("x", x, vectorX)
	same("v", v.Bytes(), vectorV)

	client, err := NewClient(group, bytes.NewReader(unhex(t, vectorLittleA)))
	if err != nil {
		t.Fatal(err)
	}
	same("A", client.Public(), vectorA)
	server, err := NewServer(group, v.Bytes(), bytes.NewReader(unhex(t, vectorLittleB)))
	if err != nil {
		t.Fatal(err)
	}
	same("B", server.Public(), vectorB)

	u, err := scrambler(group, client.Public(), server.Public())
	if err != nil {
		t.Fatal(err)
	}
	same("u", u, vectorU)
	fromClient, err := client.Premaster(salt, server.Public(), vectorUser, vectorPassword)
	if err != nil {
		t.Fatal(err)
	}
	same("the client's S", fromClient, vectorS)
	fromServer, err := server.Premaster(client.Public())
	if err != nil {
		t.Fatal(err)
	}
	same("the server's S", fromServer, vectorS)
}

func multiplier(group *Group) (*modexp.Element, error) {
	numbers, err := group.numbers()
	if err != nil {
		return nil, err
	}
	return numbers.k, nil
}

// oracleParams are our group as go-srp wants it, with the hash that RFC 5054 prescribes for all groups.
func oracleParams(g *Group) *kongsrp.SRPParams {
	return &kongsrp.SRPParams{
		G:           new(big.Int).SetBytes(g.G()),
		N:           new(big.Int).SetBytes(g.N()),
		Hash:        crypto.SHA1,
		NLengthBits: g.Bits(),
	}
}

func TestAgainstGoSRP(t *testing.T) {
	for _, group := range []*Group{Group2048(), Group3072(), Group4096()} {
		params := oracleParams(group)
		salt, a, b := random(t, 16), random(t, exponentLen), random(t, exponentLen)
		x, v, err := keyAndVerifier(group, salt, vectorUser, vectorPassword)
		if err != nil {
			t.Fatal(err)
		}
		client, err := NewClient(group, bytes.NewReader(a))
		if err != nil {
			t.Fatal(err)
		}
		server, err := NewServer(group, v.Bytes(), bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		k, err := multiplier(group)
		if err != nil {
			t.Fatal(err)
		}
		oracle := kongsrp.NewClient(params, salt, []byte(vectorUser), []byte(vectorPassword), a)
		for name, pair := range map[string][2][]byte{
			"k": {minimal(k.Bytes()), oracle.Multiplier.Bytes()},
			"x": {minimal(x), oracle.X.Bytes()},
			"v": {v.Bytes(), kongsrp.ComputeVerifier(params, salt, []byte(vectorUser), []byte(vectorPassword))},
			"A": {client.Public(), oracle.ComputeA()},
			"B": {server.Public(), kongsrp.NewServer(params, v.Bytes(), b).ComputeB()},
		} {
			if !bytes.Equal(pair[0], pair[1]) {
				t.Errorf("%v: %s differs", group, name)
			}
		}
	}
}

func random(t testing.TB, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestGroupsAreThoseOfRFC5054(t *testing.T) {
	for _, tt := range []struct {
		group        *Group
		bits, length int
		g            byte
	}{{Group2048(), 2048, 256, 2}, {Group3072(), 3072, 384, 5}, {Group4096(), 4096, 512, 5}} {
		n := new(big.Int).SetBytes(tt.group.N())
		half := new(big.Int).Rsh(n, 1)
		if n.BitLen() != tt.bits || tt.group.Bits() != tt.bits || !n.ProbablyPrime(1) || !half.ProbablyPrime(1) {
			t.Errorf("%v: N is not a safe prime of %d bits", tt.group, tt.bits)
		}
		if !bytes.Equal(tt.group.G(), []byte{tt.g}) {
			t.Errorf("%v: g is %x", tt.group, tt.group.G())
		}
	}
}

// The two larger groups are 2^n - 2^(n-64) - 1 + 2^64 · (⌊2^(n-130) π⌋ + c), RFC 3526 §4 and §5: nobody chose them to have a back door.
func TestLargeGroupsComeFromPi(t *testing.T) {
	for _, tt := range []struct {
		group *Group
		bits  uint
		c     int64
	}{{Group3072(), 3072, 1690314}, {Group4096(), 4096, 240904}} {
		one := big.NewInt(1)
		n := new(big.Int).Lsh(one, tt.bits)
		n.Sub(n, new(big.Int).Lsh(one, tt.bits-64)).Sub(n, one)
		middle := new(big.Int).Add(scaledPi(tt.bits-130), big.NewInt(tt.c))
		n.Add(n, middle.Lsh(middle, 64))
		if !bytes.Equal(n.Bytes(), tt.group.N()) {
			t.Errorf("%v is not what the formula gives", tt.group)
		}
	}
}

// scaledPi returns ⌊2^bits π⌋ by Machin's formula, π = 16 arctan(1/5) - 4 arctan(1/239).
func scaledPi(bits uint) *big.Int {
	const guard = 64
	arctan := func(inverse int64) *big.Int {
		square := big.NewInt(inverse * inverse)
		term := new(big.Int).Lsh(big.NewInt(1), bits+guard)
		term.Quo(term, big.NewInt(inverse))
		sum := new(big.Int)
		for i := int64(1); term.Sign() != 0; i += 2 {
			part := new(big.Int).Quo(term, big.NewInt(i))
			if i%4 == 1 {
				sum.Add(sum, part)
			} else {
				sum.Sub(sum, part)
			}
			term.Quo(term, square)
		}
		return sum
	}
	pi := new(big.Int).Mul(arctan(5), big.NewInt(16))
	pi.Sub(pi, new(big.Int).Mul(arctan(239), big.NewInt(4)))
	return pi.Rsh(pi, guard)
}

func TestNewGroupRefusesWhatIsNone(t *testing.T) {
	n := Group2048().N()
	for name, pair := range map[string][2][]byte{
		"even N":     {append(bytes.Clone(n[:255]), 2), {2}},
		"short N":    {{7}, {2}},
		"empty N":    {nil, {2}},
		"zero g":     {n, {0}},
		"empty g":    {n, nil},
		"g too long": {n, n},
	} {
		if _, err := NewGroup(pair[0], pair[1]); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	same, err := NewGroup(n, []byte{2})
	if err != nil || !same.Equal(Group2048()) {
		t.Errorf("the group of 2048 bits: %v", err)
	}
	other, err := NewGroup(n, []byte{5})
	if err != nil || other.Equal(Group2048()) {
		t.Errorf("groups are equal although g differs: %v", err)
	}
}

// RFC 5054 §2.5.3 and §2.5.4, and DESIGN §3: A and B that are 0 modulo N, or not less than N, are refused on both sides.
func TestPublicValuesAreChecked(t *testing.T) {
	group := Group2048()
	salt := random(t, 16)
	v, err := Verifier(group, salt, vectorUser, vectorPassword)
	if err != nil {
		t.Fatal(err)
	}
	client, err := NewClient(group, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	server, err := NewServer(group, v, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	n := new(big.Int).SetBytes(group.N())
	for name, value := range map[string][]byte{
		"empty":                  {},
		"0":                      {0},
		"0, padded":              make([]byte, 256),
		"N":                      n.Bytes(),
		"N+1":                    new(big.Int).Add(n, big.NewInt(1)).Bytes(),
		"2N":                     new(big.Int).Lsh(n, 1).Bytes(),
		"longer than N, value 1": append(make([]byte, 256), 1),
	} {
		if _, err := server.Premaster(value); !errors.Is(err, ErrPublicValue) {
			t.Errorf("A = %s: %v", name, err)
		}
		if _, err := client.Premaster(salt, value, vectorUser, vectorPassword); !errors.Is(err, ErrPublicValue) {
			t.Errorf("B = %s: %v", name, err)
		}
	}
}

func TestScramblerOfZeroIsRefused(t *testing.T) {
	if _, err := checkScrambler(make([]byte, 20)); !errors.Is(err, errScrambler) {
		t.Errorf("u = 0: %v", err)
	}
	if _, err := checkScrambler(append(make([]byte, 19), 1)); err != nil {
		t.Errorf("u = 1: %v", err)
	}
}

// A verifier v = -g^b / k makes B = k·v + g^b come out as 0 for that b.
func TestOwnPublicValueOfZeroIsDrawnAgain(t *testing.T) {
	group := Group2048()
	n := new(big.Int).SetBytes(group.N())
	bad, good := random(t, exponentLen), random(t, exponentLen)
	k, err := multiplier(group)
	if err != nil {
		t.Fatal(err)
	}
	power := new(big.Int).Exp(big.NewInt(2), new(big.Int).SetBytes(bad), n)
	v := power.Sub(n, power)
	v.Mul(v, new(big.Int).ModInverse(new(big.Int).SetBytes(k.Bytes()), n)).Mod(v, n)

	server, err := NewServer(group, v.Bytes(), bytes.NewReader(append(bytes.Clone(bad), good...)))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(server.secret, good) || len(server.Public()) == 0 {
		t.Error("b was not drawn again")
	}
	if _, err := NewServer(group, v.Bytes(), bytes.NewReader(bytes.Repeat(bad, 100))); err == nil {
		t.Error("a source of randomness that always gives the same b went unnoticed")
	}
}

func TestDamagedVerifierIsRefused(t *testing.T) {
	group := Group2048()
	for _, v := range [][]byte{nil, {0}, group.N(), Group3072().N()} {
		if _, err := NewServer(group, v, rand.Reader); !errors.Is(err, errVerifier) {
			t.Errorf("%d bytes: %v", len(v), err)
		}
	}
}

// smallGroup has a safe prime of 176 bits, so that short values turn up often.
func smallGroup(t testing.TB) *Group {
	t.Helper()
	for n := new(big.Int).Lsh(big.NewInt(1), 175); ; n.Add(n, big.NewInt(1)) {
		if n.Bit(0) == 1 && n.Bit(1) == 1 && n.ProbablyPrime(1) && new(big.Int).Rsh(n, 1).ProbablyPrime(10) {
			group, err := NewGroup(n.Bytes(), []byte{2})
			if err != nil {
				t.Fatal(err)
			}
			return group
		}
	}
}

// PEERS.md, traps 4 to 6: A and B go out without leading zeros and are accepted with and without; both are padded in u; S has none.
func TestShortValues(t *testing.T) {
	group := smallGroup(t)
	salt := random(t, 16)
	v, err := Verifier(group, salt, vectorUser, vectorPassword)
	if err != nil {
		t.Fatal(err)
	}
	var shortA, shortB, shortS int
	for range 4000 {
		client, err := NewClient(group, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		server, err := NewServer(group, v, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		A, B := client.Public(), server.Public()
		sc, err := client.Premaster(salt, group.pad(B), vectorUser, vectorPassword)
		if err != nil {
			t.Fatal(err)
		}
		ss, err := server.Premaster(A)
		if err != nil {
			t.Fatal(err)
		}
		padded, err := server.Premaster(group.pad(A))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(sc, ss) || !bytes.Equal(ss, padded) {
			t.Fatalf("premaster secrets differ for A = %x, B = %x", A, B)
		}
		for value, count := range map[*[]byte]*int{&A: &shortA, &B: &shortB, &sc: &shortS} {
			if len(*value) < len(group.n) {
				*count++
			}
			if len(*value) > 0 && (*value)[0] == 0 {
				t.Fatalf("%x has leading zeros", *value)
			}
		}
	}
	if shortA < 3 || shortB < 3 || shortS < 3 {
		t.Errorf("too few short values to say anything: A %d, B %d, S %d", shortA, shortB, shortS)
	}
}

func TestRandomElementIsInRange(t *testing.T) {
	group := smallGroup(t)
	ones := bytes.NewReader(append(bytes.Repeat([]byte{0xff}, 22), append(make([]byte, 22), append(make([]byte, 21), 7)...)...))
	b, err := RandomElement(group, ones)
	if err != nil || new(big.Int).SetBytes(b).Int64() != 7 {
		t.Errorf("got %x, %v: numbers out of range must be drawn again", b, err)
	}
}

func BenchmarkPremaster(b *testing.B) {
	for _, group := range []*Group{Group2048(), Group3072(), Group4096()} {
		salt := random(b, 16)
		v, err := Verifier(group, salt, vectorUser, vectorPassword)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(group.String(), func(b *testing.B) {
			for b.Loop() {
				client, err := NewClient(group, rand.Reader)
				if err != nil {
					b.Fatal(err)
				}
				server, err := NewServer(group, v, rand.Reader)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := client.Premaster(salt, server.Public(), vectorUser, vectorPassword); err != nil {
					b.Fatal(err)
				}
				if _, err := server.Premaster(client.Public()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
