package peertest

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"testing"

	"xtls-agent/internal/testpeer"
	"xtls-agent/xtls/tlssrp"
)

// serverPeer is a TLS-SRP server of somebody else.
type serverPeer struct {
	name  string
	start func(t *testing.T, r row, m manner, cert *testpeer.Certificate) string

	// unknownUser is what its answer to a name that it does not know looks like.
	unknownUser error
	// version is its best, in the manner of alsoOthers.
	version uint16
}

// serverPeers are all of them. What they need runs as long as the test.
func serverPeers(t *testing.T) []serverPeer {
	t.Helper()
	return []serverPeer{
		{"gnutls-serv", startGnuTLSServ, tlssrp.ErrBadPassword, tls.VersionTLS12}, // made-up salt, RFC 5054 §2.5.1.3
		{"libssl", startLibSSLServer, tlssrp.ErrUnknownUser, tls.VersionTLS13},
		{"bouncycastle", bouncyCastleServer(t), tlssrp.ErrUnknownUser, tls.VersionTLS13},
	}
}

func startGnuTLSServ(t *testing.T, r row, m manner, cert *testpeer.Certificate) string {
	t.Helper()
	opts := testpeer.GnuTLSServOptions{Bits: r.bits, User: user, Password: password, FakeSalt: true}
	opts.Priority = gnutlsPriority(r, m)
	if r.rsa || m.alsoOthers {
		opts.Cert = cert
	}
	return testpeer.GnuTLSServ(t, opts)
}

func startLibSSLServer(t *testing.T, r row, m manner, cert *testpeer.Certificate) string {
	t.Helper()
	opts := libsslOptions(r, m)
	opts.Count = 1 << 20 // it ends with the test
	if r.rsa || m.alsoOthers {
		opts.Cert = cert
	}
	_, addr := testpeer.LibSSLServer(t, opts)
	return addr
}

// TestClient is our client against servers of others.
func TestClient(t *testing.T) {
	cert := testpeer.NewCertificate(t)
	for _, peer := range serverPeers(t) {
		for _, r := range rows() {
			t.Run(peer.name+"/"+r.String(), func(t *testing.T) {
				t.Parallel()
				testClient(t, peer, r, cert)
			})
		}
	}
}

func testClient(t *testing.T, peer serverPeer, r row, cert *testpeer.Certificate) {
	config := func(username, secret string) *tlssrp.Config {
		return &tlssrp.Config{
			CipherSuites: []uint16{r.id}, Username: username, Password: secret,
			ServerName: "localhost", RootCAs: cert.Pool,
		}
	}
	usual := peer.start(t, r, manner{}, cert)

	t.Run("data both ways", func(t *testing.T) {
		conn := connect(t, usual, config(user, password))
		checkState(t, r, conn.ConnectionState())
		if got := len(conn.ConnectionState().PeerCertificates); (got == 1) != r.rsa {
			t.Errorf("%d certificates of the server", got)
		}
		for _, size := range sizes {
			checkEcho(t, conn, size)
		}
		if err := conn.CloseWrite(); err != nil {
			t.Errorf("closing: %v", err)
		}
		if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("at the end: %v, want EOF", err)
		}
	})
	t.Run("wrong password", func(t *testing.T) {
		wantClientError(t, usual, config(user, wrongPassword), tlssrp.ErrBadPassword)
	})
	t.Run("unknown user", func(t *testing.T) {
		wantClientError(t, usual, config(stranger, password), peer.unknownUser)
	})
	for _, refusal := range refusals {
		t.Run(refusal.name, func(t *testing.T) {
			addr := peer.start(t, r, refusal.manner, cert)
			err := handshake(t.Context(), tlssrp.Client(dial(t, addr), config(user, password)))
			checkRefusal(t, err, refusal.says)
		})
	}
	t.Run("a server with TLS 1.3 and other suites", func(t *testing.T) {
		addr := peer.start(t, r, manner{alsoOthers: true}, cert)
		checkTakesOthers(t, addr, peer.version)
		conn := connect(t, addr, config(user, password))
		checkState(t, r, conn.ConnectionState())
		if err := conn.Close(); err != nil { // libssl serves one at a time
			t.Errorf("closing: %v", err)
		}
		wantClientError(t, addr, config(user, wrongPassword), tlssrp.ErrBadPassword)
	})
}

// connect completes a handshake.
func connect(t *testing.T, addr string, config *tlssrp.Config) *tlssrp.Conn {
	t.Helper()
	conn := tlssrp.Client(dial(t, addr), config)
	if err := handshake(t.Context(), conn); err != nil {
		t.Fatalf("handshake: %v", err)
	}
	return conn
}

func wantClientError(t *testing.T, addr string, config *tlssrp.Config, want error) {
	t.Helper()
	conn := tlssrp.Client(dial(t, addr), config)
	if err := handshake(t.Context(), conn); !errors.Is(err, want) {
		t.Errorf("handshake: %v, want %v", err, want)
	}
	if conn.ConnectionState().HandshakeComplete {
		t.Error("the handshake counts as complete")
	}
}

// checkEcho sends size bytes and wants them back; it reads while it writes, as an echo server expects.
func checkEcho(t *testing.T, conn *tlssrp.Conn, size int) {
	t.Helper()
	out, back := payload(size), make([]byte, size)
	wrote := make(chan error, 1)
	go func() {
		_, err := conn.Write(out)
		wrote <- err
	}()
	if n, err := io.ReadFull(conn, back); err != nil {
		t.Fatalf("reading %d bytes back: %v after %d", size, err, n)
	}
	if err := <-wrote; err != nil {
		t.Fatalf("writing %d bytes: %v", size, err)
	}
	if !bytes.Equal(out, back) {
		t.Errorf("%d bytes came back changed", size)
	}
}

// checkTakesOthers shows that the trap is open: with a client that lets it, the server does a handshake without SRP, and
// no password at all.
func checkTakesOthers(t *testing.T, addr string, version uint16) {
	t.Helper()
	conn := tls.Client(dial(t, addr), &tls.Config{InsecureSkipVerify: true}) // any certificate: it is a control
	if err := conn.HandshakeContext(t.Context()); err != nil {
		t.Fatalf("control: a handshake without SRP: %v", err)
	}
	if got := conn.ConnectionState().Version; got != version {
		t.Errorf("control: version %04x, want %04x", got, version)
	}
	conn.Close()
}
