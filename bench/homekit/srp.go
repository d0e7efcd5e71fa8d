package homekit

import (
	"crypto/rand"
	"crypto/sha512"
	"errors"
	"fmt"
	"math/big"
	"sync"
)

// srpUser is the name under which everybody pairs (HAP §5.6).
const srpUser = "Pair-Setup"

// group3072 is the group of RFC 5054, appendix A, with k and the parts of the proof that never change.
type group3072 struct {
	N, g, k *big.Int
	size    int
	hNg     []byte // H(N) xor H(g)
}

var theGroup = sync.OnceValue(func() *group3072 {
	N, ok := new(big.Int).SetString(prime3072, 16)
	if !ok {
		panic("homekit: the prime cannot be read")
	}
	G := &group3072{N: N, g: big.NewInt(5), size: (N.BitLen() + 7) / 8}
	G.k = hashInt(N.Bytes(), G.pad(G.g))
	hN, hg := sha512.Sum512(N.Bytes()), sha512.Sum512(G.g.Bytes())
	for i := range hN {
		G.hNg = append(G.hNg, hN[i]^hg[i])
	}
	return G
})

func (G *group3072) pad(n *big.Int) []byte { return n.FillBytes(make([]byte, G.size)) }

func hashOf(parts ...[]byte) []byte {
	h := sha512.New()
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

func hashInt(parts ...[]byte) *big.Int { return new(big.Int).SetBytes(hashOf(parts...)) }

// srpClient is the controller's side of SRP-6a with SHA-512 (RFC 5054 §2.5, HAP §5.5.2). Its exponentiations are those of math/big,
// with an exponent a of 256 bits, as the accessory draws b: nothing that goes much faster is in reach of a Go program.
type srpClient struct {
	group *group3072
	a, A  *big.Int
	key   []byte // K
	proof []byte // M1
}

func newSRPClient() (*srpClient, error) {
	G := theGroup()
	for {
		random := make([]byte, 32)
		if _, err := rand.Read(random); err != nil {
			return nil, fmt.Errorf("homekit: %w", err)
		}
		c := &srpClient{group: G, a: new(big.Int).SetBytes(random)}
		c.A = new(big.Int).Exp(G.g, c.a, G.N)
		// The accessory hashes A without its leading zeros, the specification with them: such an A is drawn again.
		if len(c.A.Bytes()) == G.size {
			return c, nil
		}
	}
}

// prove computes K and the proof M1 from what the accessory sent and the person typed.
func (c *srpClient) prove(salt, serverKey []byte, code string) error {
	G := c.group
	B := new(big.Int).SetBytes(serverKey)
	if new(big.Int).Mod(B, G.N).Sign() == 0 || B.Cmp(G.N) >= 0 {
		return errors.New("homekit: the accessory's public key is out of range")
	}
	u := hashInt(c.A.Bytes(), G.pad(B))
	x := hashInt(salt, hashOf([]byte(srpUser+":"+code)))
	base := new(big.Int).Exp(G.g, x, G.N)
	base.Mul(base, G.k).Sub(B, base).Mod(base, G.N) // B − k·g^x
	exponent := new(big.Int).Mul(u, x)
	exponent.Add(exponent, c.a)
	S := new(big.Int).Exp(base, exponent, G.N)
	c.key = hashOf(S.Bytes())
	c.proof = hashOf(G.hNg, hashOf([]byte(srpUser)), salt, c.A.Bytes(), B.Bytes(), c.key)
	return nil
}

// serverProof is M2, which only an accessory that knows the code can make.
func (c *srpClient) serverProof() []byte { return hashOf(c.A.Bytes(), c.proof, c.key) }

const prime3072 = "" +
	"FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437" +
	"4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7EDEE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF05" +
	"98DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B" +
	"E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA051015728E5A8AAAC42DAD33170D04507A33" +
	"A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864" +
	"D87602733EC86A64521F2B18177B200CBBE117577A615D6C770988C0BAD946E208E24FA074E5AB3143DB5BFCE0FD108E4B82D120A93AD2CAFFFFFFFFFFFFFFFF"
