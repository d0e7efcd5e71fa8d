package peertest

import (
	"context"
	"encoding/hex"
	"testing"

	"xtls-agent/internal/testpeer"
	"xtls-agent/xtls/tlssrp"
)

// bouncyCastleServer starts BouncyCastle and returns what starts a server of it.
func bouncyCastleServer(t *testing.T) func(*testing.T, row, manner, *testpeer.Certificate) string {
	t.Helper()
	peer := testpeer.StartBouncyCastle(t)
	return func(t *testing.T, r row, m manner, cert *testpeer.Certificate) string {
		t.Helper()
		opts := bouncyCastleOptions(r, m)
		if r.rsa || m.alsoOthers {
			opts.Cert = cert
		}
		return peer.Server(t, opts).Addr
	}
}

// bouncyCastleClient starts BouncyCastle and returns what lets a client of it try.
func bouncyCastleClient(t *testing.T) func(*testing.T, string, attempt) bool {
	t.Helper()
	peer := testpeer.StartBouncyCastle(t)
	return func(t *testing.T, addr string, a attempt) bool {
		t.Helper()
		opts := bouncyCastleOptions(a.row, a.manner)
		opts.User, opts.Password, opts.Sizes = a.user, a.password, a.sizes
		result := peer.Client(t, addr, opts)
		if result.OK && (result.Suite != a.id || result.Version != "TLS 1.2" || !result.EMS || !result.EtM) {
			t.Errorf("bouncycastle negotiated %+v", result)
		}
		return result.OK
	}
}

// bouncyCastleOptions is the row and the manner, with the right password.
func bouncyCastleOptions(r row, m manner) testpeer.BouncyCastleOptions {
	return testpeer.BouncyCastleOptions{
		User: user, Password: password, Suite: r.id, Bits: r.bits,
		Others: m.alsoOthers, NoEMS: m.noEMS, NoEtM: m.noEtM,
	}
}

// TestClientRefusesOtherGroupsOfBouncyCastle is TestClientRefusesOtherGroups with a server that has all groups of
// RFC 5054 built in, and checks none that it is told to use.
func TestClientRefusesOtherGroupsOfBouncyCastle(t *testing.T) {
	t.Parallel()
	peer := testpeer.StartBouncyCastle(t)
	known := tlssrp.Group2048().N()
	altered := tlssrp.Group2048().N()
	altered[len(altered)/2] ^= 1
	for name, opts := range map[string]testpeer.BouncyCastleOptions{
		"1024 bits":                 {Bits: 1024},
		"1536 bits":                 {Bits: 1536},
		"6144 bits":                 {Bits: 6144},
		"8192 bits":                 {Bits: 8192},
		"one of its own":            {N: smallN, G: smallG},
		"a known N with another g":  {N: hex.EncodeToString(known), G: "5"},
		"a known N but for one bit": {N: hex.EncodeToString(altered), G: "2"},
	} {
		t.Run(name, func(t *testing.T) {
			opts.User, opts.Password = user, password
			server := peer.Server(t, opts)
			wantClientError(t, server.Addr, &tlssrp.Config{Username: user, Password: password}, tlssrp.AlertInsufficientSecurity)
			if result := server.Result(t); result.OK || result.AlertReceived != int(tlssrp.AlertInsufficientSecurity) {
				t.Errorf("bouncycastle: %+v", result)
			}
		})
	}
}

// TestBouncyCastleRefusesOtherGroups: a client of others that refuses our group makes our server end with its alert, and
// no proof is counted.
func TestBouncyCastleRefusesOtherGroups(t *testing.T) {
	t.Parallel()
	peer := testpeer.StartBouncyCastle(t)
	verifier, err := tlssrp.NewVerifier(smallGroup(t), nil, user, password)
	if err != nil {
		t.Fatal(err)
	}
	config := &tlssrp.Config{
		GetVerifier: func(context.Context, *tlssrp.ClientHelloInfo) (*tlssrp.Verifier, error) { return verifier, nil },
	}
	addr, ended := serveOnce(t, config, func(*tlssrp.Conn) error { return nil })
	result := peer.Client(t, addr, testpeer.BouncyCastleOptions{User: user, Password: password})
	out := <-ended
	out.wantError(t, result.OK, tlssrp.AlertInsufficientSecurity)
	out.wantProofs(t)
	if result.AlertSent != int(tlssrp.AlertInsufficientSecurity) {
		t.Errorf("bouncycastle: %+v", result)
	}
}
