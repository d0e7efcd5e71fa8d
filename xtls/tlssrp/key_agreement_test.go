package tlssrp

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
)

// changeServerKeyExchange is an edit of the ServerKeyExchange of a pure suite.
func changeServerKeyExchange(t *testing.T, change func(*serverKeyExchangeMessage)) edit {
	return func(_ int, u unit) []unit {
		if !u.is(typeServerKeyExchange) {
			return []unit{u}
		}
		m := new(serverKeyExchangeMessage)
		if err := m.unmarshal(u.raw[messageHeaderLen:]); err != nil {
			t.Error(err)
		}
		change(m)
		return []unit{handshakeUnit(mustMarshal(t, m))}
	}
}

func TestClientRefusesServerKeyExchange(t *testing.T) {
	server, client := serverOf(serverConfig(testVerifier(t, smallGroup()))), clientOf(smallClientConfig())
	n := smallGroup().N()
	for name, tt := range map[string]struct {
		change func(*serverKeyExchangeMessage)
		want   AlertError
	}{
		"unknown N (RFC 5054 §3.2)":          {func(m *serverKeyExchangeMessage) { m.n = Group2048().N() }, AlertInsufficientSecurity},
		"N that is no modulus":               {func(m *serverKeyExchangeMessage) { m.n = []byte{4} }, AlertInsufficientSecurity},
		"wrong g for N (PEERS.md, trap 8)":   {func(m *serverKeyExchangeMessage) { m.g = []byte{5} }, AlertInsufficientSecurity},
		"B = 0 mod N (RFC 5054 §2.5.3)":      {func(m *serverKeyExchangeMessage) { m.public = n }, AlertIllegalParameter},
		"B = 0":                              {func(m *serverKeyExchangeMessage) { m.public = []byte{0} }, AlertIllegalParameter},
		"B longer than N, though less":       {func(m *serverKeyExchangeMessage) { m.public = append(make([]byte, len(n)), 2) }, AlertIllegalParameter},
		"altered salt: the password differs": {func(m *serverKeyExchangeMessage) { m.salt = []byte{9} }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			out := play(t, client, server, changeServerKeyExchange(t, tt.change))
			if tt.want != 0 {
				checkAlert(t, out, tt.want)
			} else if !errors.Is(out.err, ErrBadPassword) {
				t.Errorf("got %v", out.err)
			}
		})
	}
}

func TestServerRefusesPublicValue(t *testing.T) {
	server, client := serverOf(serverConfig(testVerifier(t, smallGroup()))), clientOf(smallClientConfig())
	n := smallGroup().N()
	for name, public := range map[string][]byte{
		"A = 0":                        {0},
		"A = N (RFC 5054 §2.5.4)":      n,
		"A longer than N, though less": append(make([]byte, len(n)), 2),
	} {
		t.Run(name, func(t *testing.T) {
			checkAlert(t, play(t, server, client, func(i int, u unit) []unit {
				if i == 1 {
					return []unit{handshakeUnit(mustMarshal(t, &clientKeyExchangeMessage{public}))}
				}
				return []unit{u}
			}), AlertIllegalParameter)
		})
	}
}

// PEERS.md, traps 4 and 7: what we send is minimal, and no salt of ours begins with 0.
func TestVerifierSaltsDoNotBeginWithZero(t *testing.T) {
	zeros := strings.NewReader(strings.Repeat("\x00", saltLen))
	verifier, err := NewVerifier(smallGroup(), zeros, testUser, testPassword)
	if err != nil || len(verifier.Salt) != saltLen || verifier.Salt[0] == 0 {
		t.Errorf("salt %x, %v", verifier.Salt, err)
	}
	if n := Group3072().N(); n[0] == 0 {
		t.Error("N has a leading zero")
	}
}

// RFC 5054 §2.5.1.3: with FakeSaltKey a user that does not exist looks like one with another password, and always has the same salt.
func TestUnknownUsersAreHidden(t *testing.T) {
	config := serverConfig(testVerifier(t, smallGroup()))
	config.FakeSaltKey = []byte("secret")
	config.Groups = []*Group{smallGroup()}
	var proofs []bool
	config.ProofReceived = func(_ context.Context, ok bool) error { proofs = append(proofs, ok); return nil }
	stranger := smallClientConfig()
	salts := make(map[string]string)
	for _, name := range []string{"nobody", "nobody", "somebody"} {
		stranger.Username = name
		out := play(t, clientOf(stranger), serverOf(config), func(i int, u unit) []unit {
			if i == 1 {
				var m serverKeyExchangeMessage
				if err := m.unmarshal(u.raw[messageHeaderLen:]); err != nil {
					t.Error(err)
				}
				if before, ok := salts[name]; ok && before != string(m.salt) {
					t.Error("the salt of a user changed")
				}
				salts[name] = string(m.salt)
			}
			return []unit{u}
		})
		if !errors.Is(out.err, ErrBadPassword) || !errors.Is(out.err, AlertBadRecordMAC) || errors.Is(out.err, ErrUnknownUser) {
			t.Errorf("%s: %v", name, out.err)
		}
	}
	if salts["nobody"] == salts["somebody"] {
		t.Error("two users have the same salt")
	}
	if !slices.Equal(proofs, []bool{false, false, false}) {
		t.Errorf("proofs: %v", proofs)
	}
}

func TestServerKnowsThatTheUserWasUnknown(t *testing.T) {
	config := serverConfig(testVerifier(t, smallGroup()))
	config.FakeSaltKey, config.Groups = []byte("secret"), []*Group{smallGroup()}
	stranger := smallClientConfig()
	stranger.Username = "nobody"
	out := play(t, serverOf(config), clientOf(stranger), unedited)
	if !errors.Is(out.err, ErrBadPassword) || !errors.Is(out.err, ErrUnknownUser) {
		t.Errorf("%v", out.err)
	}
}
