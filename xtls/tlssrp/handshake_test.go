package tlssrp

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
)

const (
	testUser     = "alice@home.example"
	testPassword = "12345678"
)

// testVerifier makes a verifier of testPassword, in the smallest of the real groups unless told otherwise.
func testVerifier(t testing.TB, group *Group) *Verifier {
	t.Helper()
	if group == nil {
		group = Group2048()
	}
	verifier, err := NewVerifier(group, nil, testUser, testPassword)
	if err != nil {
		t.Fatal(err)
	}
	return verifier
}

func clientConfig() *Config { return &Config{Username: testUser, Password: testPassword} }

func serverConfig(verifier *Verifier) *Config {
	return &Config{GetVerifier: func(_ context.Context, hello *ClientHelloInfo) (*Verifier, error) {
		if hello.Username != testUser {
			return nil, ErrUnknownUser
		}
		return verifier, nil
	}}
}

// pair runs both ends of a handshake over a pipe and returns them with their errors. The transports are closed at the end of the test.
func pair(t testing.TB, client, server *Config) (c, s *Conn, clientErr, serverErr error) {
	t.Helper()
	ct, st := tcpPipe(t)
	c, s = Client(ct, client), Server(st, server)
	var wg sync.WaitGroup
	wg.Go(func() {
		serverErr = s.Handshake()
		if serverErr != nil {
			_ = s.Close()
		}
	})
	clientErr = c.Handshake()
	if clientErr != nil {
		_ = c.Close()
	}
	wg.Wait()
	return c, s, clientErr, serverErr
}

// tcpPipe returns both ends of a TCP connection on loopback.
func tcpPipe(t testing.TB) (client, server net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	client, err = net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if server, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = client.Close(), server.Close() })
	return client, server
}

func TestHandshake(t *testing.T) {
	for _, suite := range []uint16{TLS_SRP_SHA_WITH_AES_128_CBC_SHA, TLS_SRP_SHA_WITH_AES_256_CBC_SHA} {
		client := clientConfig()
		client.CipherSuites = []uint16{suite}
		c, s, clientErr, serverErr := pair(t, client, serverConfig(testVerifier(t, nil)))
		if clientErr != nil || serverErr != nil {
			t.Fatalf("client: %v, server: %v", clientErr, serverErr)
		}
		state := s.ConnectionState()
		if state.CipherSuite != suite || state.Username != testUser || !state.Group.Equal(Group2048()) || c.ConnectionState().CipherSuite != suite {
			t.Errorf("server %+v, client %+v", state, c.ConnectionState())
		}
		for _, size := range []int{1, 1<<14 + 1, 1 << 20} {
			echo(t, c, s, size)
			echo(t, s, c, size)
		}
	}
}

// echo sends size bytes from one end to the other.
func echo(t testing.TB, from, to net.Conn, size int) {
	t.Helper()
	want := bytes.Repeat([]byte{0xa5}, size)
	var wg sync.WaitGroup
	wg.Go(func() {
		if n, err := from.Write(want); n != size || err != nil {
			t.Errorf("writing %d bytes: %d, %v", size, n, err)
		}
	})
	got := make([]byte, size)
	if _, err := io.ReadFull(to, got); err != nil {
		t.Errorf("reading %d bytes: %v", size, err)
	}
	wg.Wait()
	if !bytes.Equal(got, want) {
		t.Errorf("%d bytes arrived altered", size)
	}
}

func TestWrongPasswordIsRecognisedOnBothSides(t *testing.T) {
	client := clientConfig()
	client.Password = "87654321"
	_, _, clientErr, serverErr := pair(t, client, serverConfig(testVerifier(t, nil)))
	if !errors.Is(clientErr, ErrBadPassword) || !errors.Is(serverErr, ErrBadPassword) {
		t.Errorf("client: %v, server: %v", clientErr, serverErr)
	}
}

// Each side draws 32 bytes for its random, 32 for its exponent and 16 for the IV of Finished. If they run out the handshake fails, and says so.
func TestHandshakeNeedsItsRandomness(t *testing.T) {
	for n := range 81 {
		client, server := smallClientConfig(), serverConfig(testVerifier(t, smallGroup()))
		client.Rand = io.LimitReader(rand.Reader, int64(n))
		checkRandomness(t, "client", n, play(t, clientOf(client), serverOf(server), unedited))

		client, server = smallClientConfig(), serverConfig(testVerifier(t, smallGroup()))
		server.Rand = io.LimitReader(rand.Reader, int64(n))
		checkRandomness(t, "server", n, play(t, serverOf(server), clientOf(client), unedited))
	}
}

func checkRandomness(t *testing.T, who string, n int, out outcome) {
	t.Helper()
	complete := out.victim.ConnectionState().HandshakeComplete
	if complete != (n == 80) {
		t.Errorf("%s with %d bytes: complete is %v, error %v", who, n, complete, out.err)
	}
	if n < 80 && !errors.Is(out.err, io.EOF) && !errors.Is(out.err, io.ErrUnexpectedEOF) {
		t.Errorf("%s with %d bytes: %v does not say why", who, n, out.err)
	}
}
