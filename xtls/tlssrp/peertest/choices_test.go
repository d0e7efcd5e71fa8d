package peertest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"testing"

	"xtls-agent/internal/testpeer"
	"xtls-agent/xtls/tlssrp"
)

// What the table leaves out: what is chosen when there is a choice, and what is refused although the peer is fine.

// TestClientRefusesOtherGroups: only the groups that were vetted, RFC 5054 §3.2. A server that may bring its own could
// choose one in which the password shows.
func TestClientRefusesOtherGroups(t *testing.T) {
	t.Parallel()
	offered := map[string]testpeer.LibSSLOptions{
		"1024 bits":      {Bits: 1024},
		"1536 bits":      {Bits: 1536},
		"6144 bits":      {Bits: 6144},
		"8192 bits":      {Bits: 8192},
		"one of its own": {N: smallN, G: smallG},
	}
	for name, opts := range offered {
		t.Run(name, func(t *testing.T) {
			opts.User, opts.Password = user, password
			peer, addr := testpeer.LibSSLServer(t, opts)
			config := &tlssrp.Config{Username: user, Password: password}
			wantClientError(t, addr, config, tlssrp.AlertInsufficientSecurity)
			if result := peer.Result(t); result.OK || result.AlertReceived != int(tlssrp.AlertInsufficientSecurity) {
				t.Errorf("libssl: %+v", result)
			}
		})
	}
	t.Run("2048 bits, if 3072 are asked for", func(t *testing.T) {
		_, addr := testpeer.LibSSLServer(t, testpeer.LibSSLOptions{User: user, Password: password, Bits: 2048})
		config := &tlssrp.Config{Username: user, Password: password, Groups: []*tlssrp.Group{tlssrp.Group3072()}}
		wantClientError(t, addr, config, tlssrp.AlertInsufficientSecurity)
	})
}

// TestClientDefaults: the pure suites, AES-256 first, whatever the server would also do.
func TestClientDefaults(t *testing.T) {
	t.Parallel()
	cert := testpeer.NewCertificate(t)
	want := row{suites[0], 3072}
	for _, peer := range serverPeers(t) {
		t.Run(peer.name, func(t *testing.T) {
			addr := peer.start(t, want, manner{alsoOthers: true}, cert)
			conn := connect(t, addr, &tlssrp.Config{Username: user, Password: password})
			checkState(t, want, conn.ConnectionState())
		})
	}
}

// TestClientChecksCertificate: in the _RSA suites the password is not all that is checked.
func TestClientChecksCertificate(t *testing.T) {
	t.Parallel()
	cert := testpeer.NewCertificate(t)
	r := row{suites[2], 2048}
	for _, peer := range serverPeers(t) {
		addr := peer.start(t, r, manner{}, cert)
		config := func(change func(*tlssrp.Config)) *tlssrp.Config {
			c := &tlssrp.Config{
				CipherSuites: []uint16{r.id}, Username: user, Password: password,
				ServerName: "localhost", RootCAs: cert.Pool,
			}
			change(c)
			return c
		}
		t.Run(peer.name+"/for another name", func(t *testing.T) {
			other := config(func(c *tlssrp.Config) { c.ServerName = "other.example" })
			wantClientError(t, addr, other, tlssrp.AlertBadCertificate)
		})
		t.Run(peer.name+"/from another root", func(t *testing.T) {
			other := config(func(c *tlssrp.Config) { c.RootCAs = testpeer.NewCertificate(t).Pool })
			wantClientError(t, addr, other, tlssrp.AlertBadCertificate)
		})
		t.Run(peer.name+"/not checked if so configured", func(t *testing.T) {
			lax := config(func(c *tlssrp.Config) { c.ServerName, c.RootCAs, c.InsecureSkipVerify = "", nil, true })
			checkState(t, r, connect(t, addr, lax).ConnectionState())
		})
	}
}

// TestServerChoosesSuite: ours is the order, and an _RSA suite needs a certificate, however much the client prefers it.
func TestServerChoosesSuite(t *testing.T) {
	t.Parallel()
	cert := testpeer.NewCertificate(t)
	verifier, err := tlssrp.NewVerifier(tlssrp.Group2048(), nil, user, password)
	if err != nil {
		t.Fatal(err)
	}
	const everything = "SRP-RSA-AES-128-CBC-SHA:SRP-RSA-AES-256-CBC-SHA:SRP-AES-128-CBC-SHA:SRP-AES-256-CBC-SHA"
	all := []uint16{suites[2].id, suites[3].id, suites[0].id, suites[1].id}
	tests := []struct {
		ours         []uint16
		certificates []tls.Certificate
		client       string
		want         string // libssl's name; empty is a handshake_failure
	}{
		{nil, nil, everything, "SRP-AES-256-CBC-SHA"},
		{nil, []tls.Certificate{cert.TLS}, everything, "SRP-AES-256-CBC-SHA"},
		{all, nil, everything, "SRP-AES-256-CBC-SHA"},
		{all, []tls.Certificate{cert.TLS}, everything, "SRP-RSA-AES-256-CBC-SHA"},
		{nil, nil, "SRP-AES-128-CBC-SHA", "SRP-AES-128-CBC-SHA"},
		{nil, []tls.Certificate{cert.TLS}, "SRP-RSA-AES-256-CBC-SHA", ""},
		{all, nil, "SRP-RSA-AES-256-CBC-SHA", ""},
		{nil, []tls.Certificate{cert.TLS}, "ECDHE-RSA-AES256-GCM-SHA384:AES128-SHA", ""},
	}
	for _, test := range tests {
		name := fmt.Sprintf("%04x, %d certificates, client %s", test.ours, len(test.certificates), test.client)
		t.Run(name, func(t *testing.T) {
			config := &tlssrp.Config{
				CipherSuites: test.ours, Certificates: test.certificates,
				GetVerifier: func(context.Context, *tlssrp.ClientHelloInfo) (*tlssrp.Verifier, error) { return verifier, nil },
			}
			nothing := func(conn *tlssrp.Conn) error { return echoSizes(conn, nil) }
			addr, ended := serveOnce(t, config, nothing)
			opts := testpeer.LibSSLOptions{User: user, Password: password, Suites: test.client}
			result, out := testpeer.LibSSLClient(t, addr, opts).Result(t), <-ended
			if test.want == "" {
				out.wantError(t, result.OK, tlssrp.AlertHandshakeFailure)
				return
			}
			if out.err != nil || out.dataErr != nil || result.Suite != test.want {
				t.Errorf("handshake: %v, data: %v, suite %s, want %s", out.err, out.dataErr, result.Suite, test.want)
			}
		})
	}
}

// TestServerRefusesBeforeItAnswers: an error of GetVerifier ends the handshake before ServerKeyExchange, so that it
// costs no guess, and the error comes back.
func TestServerRefusesBeforeItAnswers(t *testing.T) {
	t.Parallel()
	errNoWindow := errors.New("no window is open")
	for _, peer := range clientPeers(t) {
		t.Run(peer.name, func(t *testing.T) {
			config := &tlssrp.Config{
				GetVerifier: func(context.Context, *tlssrp.ClientHelloInfo) (*tlssrp.Verifier, error) { return nil, errNoWindow },
			}
			addr, ended := serveOnce(t, config, func(*tlssrp.Conn) error { return nil })
			ok := peer.try(t, addr, attempt{row: row{suites[0], 3072}, user: user, password: password})
			out := <-ended
			out.wantError(t, ok, errNoWindow)
			out.wantError(t, ok, tlssrp.AlertAccessDenied)
			out.wantProofs(t)
		})
	}
}

// TestServerCountsBeforeItAnswers: an error of ProofReceived ends the handshake even if the password was right.
func TestServerCountsBeforeItAnswers(t *testing.T) {
	t.Parallel()
	errNotCounted := errors.New("cannot write the count")
	verifier, err := tlssrp.NewVerifier(tlssrp.Group2048(), nil, user, password)
	if err != nil {
		t.Fatal(err)
	}
	config := &tlssrp.Config{
		GetVerifier:   func(context.Context, *tlssrp.ClientHelloInfo) (*tlssrp.Verifier, error) { return verifier, nil },
		ProofReceived: func(context.Context, bool) error { return errNotCounted },
	}
	for _, secret := range []string{password, wrongPassword} {
		addr, ended := serveOnce(t, config, func(*tlssrp.Conn) error { return nil })
		opts := testpeer.LibSSLOptions{User: user, Password: secret}
		result, out := testpeer.LibSSLClient(t, addr, opts).Result(t), <-ended
		out.wantError(t, result.OK, errNotCounted)
		if result.AlertReceived != int(tlssrp.AlertBadRecordMAC) {
			t.Errorf("password %s: libssl got alert %d: it can tell whether it was right", secret, result.AlertReceived)
		}
	}
}

// TestCurlAsItComes: curl with nothing but a name and a password, which by itself offers TLS 1.3 first, and our server
// as it comes.
func TestCurlAsItComes(t *testing.T) {
	t.Parallel()
	verifier, err := tlssrp.NewVerifier(nil, nil, user, password)
	if err != nil {
		t.Fatal(err)
	}
	config := &tlssrp.Config{
		GetVerifier: func(context.Context, *tlssrp.ClientHelloInfo) (*tlssrp.Verifier, error) { return verifier, nil },
	}
	for _, secret := range []string{password, wrongPassword} {
		addr, ended := serveOnce(t, config, func(conn *tlssrp.Conn) error { return echoHTTP(conn, []int{0}) })
		curl := testpeer.Curl(t, addr, testpeer.CurlOptions{User: user, Password: secret, TLS13: true})
		code, out := exitCode(t, curl), <-ended
		checkOffersOthers(t, out.hello, tls.VersionTLS13)
		if secret == password {
			out.wantSuccess(t, code == 0, row{suites[0], 3072})
			continue
		}
		out.wantError(t, code != testpeer.CurlTLSFailed, tlssrp.ErrBadPassword)
	}
}
