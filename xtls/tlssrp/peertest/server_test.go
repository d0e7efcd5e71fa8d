package peertest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"xtls-agent/internal/testpeer"
	"xtls-agent/xtls/tlssrp"
)

// clientPeer is a TLS-SRP client of somebody else.
type clientPeer struct {
	name string

	// try connects to addr, moves the payload of each of sizes both ways, checks what comes back, and closes. It
	// reports whether all of that went well.
	try func(t *testing.T, addr string, a attempt) bool

	// serve is the server's part in moving data.
	serve func(conn *tlssrp.Conn, sizes []int) error
	// version is its best, in the manner of alsoOthers.
	version uint16
}

// attempt is what a peer is to do.
type attempt struct {
	row
	manner
	user, password string
	sizes          []int
}

// clientPeers are all of them. What they need runs as long as the test.
func clientPeers(t *testing.T) []clientPeer {
	t.Helper()
	return []clientPeer{
		{"gnutls-cli", tryGnuTLSCli, echoSizes, tls.VersionTLS12},
		{"libssl", tryLibSSLClient, echoSizes, tls.VersionTLS13},
		{"curl", tryCurl, echoHTTP, tls.VersionTLS13},
		{"bouncycastle", bouncyCastleClient(t), echoSizes, tls.VersionTLS13},
	}
}

func tryGnuTLSCli(t *testing.T, addr string, a attempt) bool {
	t.Helper()
	opts := testpeer.GnuTLSCliOptions{User: a.user, Password: a.password, Priority: gnutlsPriority(a.row, a.manner)}
	cli := testpeer.GnuTLSCli(t, addr, opts)
	// It leaves as soon as its stdin is closed, so that waits for the data.
	out := cli.Stdout()
	for _, size := range a.sizes {
		sent, back := payload(size), make([]byte, size)
		wrote := make(chan error, 1)
		go func() {
			_, err := cli.Stdin.Write(sent)
			wrote <- err
		}()
		if n, err := io.ReadFull(out, back); err != nil {
			t.Errorf("gnutls-cli: reading %d bytes back: %v after %d", size, err, n)
		}
		if err := <-wrote; err != nil || !bytes.Equal(sent, back) {
			t.Errorf("gnutls-cli: %d bytes: %v, or they came back changed", size, err)
			return false
		}
	}
	if len(a.sizes) > 0 {
		cli.Stdin.Close()
	}
	return exitCode(t, cli) == 0
}

func tryLibSSLClient(t *testing.T, addr string, a attempt) bool {
	t.Helper()
	opts := libsslOptions(a.row, a.manner)
	opts.User, opts.Password, opts.Sizes = a.user, a.password, a.sizes
	result := testpeer.LibSSLClient(t, addr, opts).Result(t)
	if result.OK && (result.Suite != a.libssl || result.Version != "TLSv1.2" || !result.EMS) {
		t.Errorf("libssl negotiated %s, %s, EMS %v", result.Version, result.Suite, result.EMS)
	}
	return result.OK
}

func tryCurl(t *testing.T, addr string, a attempt) bool {
	t.Helper()
	opts := testpeer.CurlOptions{User: a.user, Password: a.password, Ciphers: a.libssl, NoEMS: a.noEMS, NoEtM: a.noEtM}
	if a.alsoOthers {
		opts.TLS13, opts.Ciphers = true, "ALL"
	}
	var want []byte
	for _, size := range a.sizes {
		path := filepath.Join(t.TempDir(), fmt.Sprint(size))
		if err := os.WriteFile(path, payload(size), 0o600); err != nil {
			t.Fatal(err)
		}
		opts.Post = append(opts.Post, path)
		want = append(want, payload(size)...)
	}
	curl := testpeer.Curl(t, addr, opts)
	code := exitCode(t, curl)
	if code != 0 && code != testpeer.CurlTLSFailed {
		t.Errorf("curl exits with %d: %s", code, curl.Output())
	}
	if code == 0 && curl.Output() != string(want) {
		t.Errorf("curl got %d bytes back, want %d, or they are changed", len(curl.Output()), len(want))
	}
	return code == 0
}

func exitCode(t *testing.T, p *testpeer.Process) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	code, err := p.Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// TestServer is our server against clients of others.
func TestServer(t *testing.T) {
	cert := testpeer.NewCertificate(t)
	for _, peer := range clientPeers(t) {
		for _, r := range rows() {
			t.Run(peer.name+"/"+r.String(), func(t *testing.T) {
				t.Parallel()
				testServer(t, peer, r, cert)
			})
		}
	}
}

func testServer(t *testing.T, peer clientPeer, r row, cert *testpeer.Certificate) {
	verifier, err := tlssrp.NewVerifier(r.group(), nil, user, password)
	if err != nil {
		t.Fatal(err)
	}
	config := &tlssrp.Config{
		CipherSuites: []uint16{r.id},
		GetVerifier: func(_ context.Context, hello *tlssrp.ClientHelloInfo) (*tlssrp.Verifier, error) {
			if hello.Username != user {
				return nil, tlssrp.ErrUnknownUser
			}
			return verifier, nil
		},
		Certificates: []tls.Certificate{cert.TLS},
	}
	hiding := *config
	hiding.Groups, hiding.FakeSaltKey = []*tlssrp.Group{r.group()}, []byte("a key that is kept over restarts")

	// meet lets the peer connect once and tells how both sides saw it. A good password moves sizes, a bad one nothing.
	meet := func(t *testing.T, config *tlssrp.Config, m manner, username, secret string, sizes ...int) (bool, outcome) {
		t.Helper()
		serve := func(conn *tlssrp.Conn) error { return peer.serve(conn, sizes) }
		addr, ended := serveOnce(t, config, serve)
		ok := peer.try(t, addr, attempt{r, m, username, secret, sizes})
		return ok, <-ended
	}
	t.Run("data both ways", func(t *testing.T) {
		ok, out := meet(t, config, manner{}, user, password, sizes...)
		out.wantSuccess(t, ok, r)
	})
	t.Run("wrong password", func(t *testing.T) {
		ok, out := meet(t, config, manner{}, user, wrongPassword)
		out.wantError(t, ok, tlssrp.ErrBadPassword)
		out.wantProofs(t, false)
	})
	t.Run("unknown user", func(t *testing.T) {
		ok, out := meet(t, config, manner{}, stranger, password)
		out.wantError(t, ok, tlssrp.ErrUnknownUser)
		out.wantError(t, ok, tlssrp.AlertUnknownPSKIdentity)
		out.wantProofs(t)
	})
	t.Run("unknown user, fake salt", func(t *testing.T) {
		ok, out := meet(t, &hiding, manner{}, stranger, password)
		out.wantError(t, ok, tlssrp.AlertBadRecordMAC)
		out.wantProofs(t, false)
	})
	for _, refusal := range refusals {
		t.Run(refusal.name, func(t *testing.T) {
			ok, out := meet(t, config, refusal.manner, user, password)
			if ok {
				t.Error("the peer thinks that all is well")
			}
			checkRefusal(t, out.err, refusal.says)
			out.wantProofs(t)
		})
	}
	t.Run("a client with TLS 1.3 and other suites", func(t *testing.T) {
		others := manner{alsoOthers: true}
		ok, out := meet(t, config, others, user, password, 1)
		checkOffersOthers(t, out.hello, peer.version)
		out.wantSuccess(t, ok, r)
		ok, out = meet(t, config, others, user, wrongPassword)
		out.wantError(t, ok, tlssrp.ErrBadPassword)
	})
}

// outcome is what our server saw of one connection.
type outcome struct {
	err     error // of the handshake
	dataErr error
	state   tlssrp.ConnectionState
	proofs  []bool // what ProofReceived was told
	hello   []byte // the first bytes of the client
}

// wantSuccess wants SRP as the row has it, one good proof, and all data moved.
func (o outcome) wantSuccess(t *testing.T, peerOK bool, r row) {
	t.Helper()
	if !peerOK || o.err != nil || o.dataErr != nil {
		t.Fatalf("peer: %v, handshake: %v, data: %v", peerOK, o.err, o.dataErr)
	}
	checkState(t, r, o.state)
	o.wantProofs(t, true)
}

func (o outcome) wantError(t *testing.T, peerOK bool, want error) {
	t.Helper()
	if peerOK {
		t.Error("the peer thinks that all is well")
	}
	if !errors.Is(o.err, want) {
		t.Errorf("handshake: %v, want %v", o.err, want)
	}
	if o.state.HandshakeComplete {
		t.Error("the handshake counts as complete")
	}
}

// wantProofs says how often, and with what, ProofReceived was to be called.
func (o outcome) wantProofs(t *testing.T, want ...bool) {
	t.Helper()
	if !slices.Equal(o.proofs, want) {
		t.Errorf("proofs received: %v, want %v", o.proofs, want)
	}
}

// serveOnce listens for one connection and serves it. The outcome comes when it is over.
func serveOnce(t *testing.T, config *tlssrp.Config, serve func(*tlssrp.Conn) error) (string, <-chan outcome) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.(*net.TCPListener).SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	ended := make(chan outcome, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ended <- acceptOne(t.Context(), l, config, serve)
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return l.Addr().String(), ended
}

func acceptOne(ctx context.Context, l net.Listener, config *tlssrp.Config, serve func(*tlssrp.Conn) error) outcome {
	raw, err := l.Accept()
	if err != nil {
		return outcome{err: err}
	}
	defer raw.Close()
	var out outcome
	counting := *config
	counting.ProofReceived = func(ctx context.Context, ok bool) error {
		out.proofs = append(out.proofs, ok)
		if config.ProofReceived != nil {
			return config.ProofReceived(ctx, ok)
		}
		return nil
	}
	recorded := &recordingConn{Conn: raw}
	conn := tlssrp.Server(recorded, &counting)
	out.err = handshake(ctx, conn)
	out.hello = recorded.first
	out.state = conn.ConnectionState()
	if out.err != nil {
		return out
	}
	out.dataErr = serve(conn)
	if err := conn.Close(); out.dataErr == nil {
		out.dataErr = err
	}
	return out
}

// echoSizes reads each size whole and sends it back, until the peer closes.
func echoSizes(conn *tlssrp.Conn, sizes []int) error {
	for _, size := range sizes {
		buf := make([]byte, size)
		if n, err := io.ReadFull(conn, buf); err != nil {
			return fmt.Errorf("reading %d bytes: %w after %d", size, err, n)
		}
		if _, err := conn.Write(buf); err != nil {
			return fmt.Errorf("writing %d bytes: %w", size, err)
		}
	}
	if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
		return fmt.Errorf("at the end: %w, want EOF", err)
	}
	return nil
}

// echoHTTP answers each request with its body, until the peer closes.
func echoHTTP(conn *tlssrp.Conn, sizes []int) error {
	r := bufio.NewReader(conn)
	for range sizes {
		request, err := http.ReadRequest(r)
		if err != nil {
			return fmt.Errorf("reading a request: %w", err)
		}
		body, err := io.ReadAll(request.Body)
		if err != nil {
			return fmt.Errorf("reading a body: %w", err)
		}
		if _, err := fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body); err != nil {
			return fmt.Errorf("writing %d bytes: %w", len(body), err)
		}
	}
	if _, err := r.ReadByte(); err != io.EOF {
		return fmt.Errorf("at the end: %w, want EOF", err)
	}
	return nil
}
