package tlssrp

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/nettest"
)

// manners are the subtests of nettest.TestConn.
var manners = []string{
	"BasicIO", "PingPong", "RacyRead", "RacyWrite", "ReadTimeout", "WriteTimeout",
	"PastTimeout", "PresentTimeout", "FutureTimeout", "CloseTimeout", "ConcurrentMethods",
}

// nettestVariable makes the test binary run nettest.TestConn on one kind of connection. Each subtest runs in a process of its own,
// because some of them fail or hang on any TLS, and the control must be able to say so.
const nettestVariable = "TLSSRP_NETTEST"

// Our connections have the manners that those of crypto/tls have over TCP (DESIGN §8.9). Not all of nettest.TestConn's: after a write
// deadline a TLS connection is dead.
func TestConnHasTheMannersOfCryptoTLS(t *testing.T) {
	if kind := os.Getenv(nettestVariable); kind != "" {
		nettest.TestConn(t, map[string]nettest.MakePipe{"control": controlPipe, "ours": srpPipe}[kind])
		return
	}
	results := make([]mannersResult, len(manners))
	var wg sync.WaitGroup
	for i, name := range manners {
		// Not t.Parallel, which would let as many run at a time as there are processors: they mostly wait.
		wg.Go(func() { results[i] = compareManners(t.Context(), name) })
	}
	wg.Wait()
	passed := 0
	for i, name := range manners {
		r := results[i]
		switch {
		case !strings.Contains(r.controlSaid, "/"+name):
			t.Errorf("%s did not run:\n%s", name, r.controlSaid)
		case !r.control:
			t.Logf("crypto/tls does not pass %s", name)
		case !r.ours:
			t.Errorf("crypto/tls passes %s, we do not:\n%s", name, r.oursSaid)
		default:
			passed++
		}
	}
	if passed < len(manners)/2 {
		t.Errorf("only %d of %d were passed", passed, len(manners))
	}
}

// mannersResult is how both kinds of connections fared, and what they printed.
type mannersResult struct {
	control, ours         bool
	controlSaid, oursSaid string
}

// compareManners runs one subtest on the control and, if it passes there, on ours.
func compareManners(ctx context.Context, name string) (r mannersResult) {
	if r.control, r.controlSaid = runNettest(ctx, "control", name, "5s"); r.control {
		r.ours, r.oursSaid = runNettest(ctx, "ours", name, "30s")
	}
	return r
}

func runNettest(ctx context.Context, kind, name, timeout string) (passed bool, said string) {
	pattern := "-test.run=^TestConnHasTheMannersOfCryptoTLS$/^" + name + "$"
	command := exec.CommandContext(ctx, os.Args[0], "-test.v", "-test.timeout="+timeout, pattern)
	command.Env = append(os.Environ(), nettestVariable+"="+kind)
	output, err := command.CombinedOutput()
	return err == nil, string(output)
}

func controlPipe() (c1, c2 net.Conn, stop func(), err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, nil, err
	}
	certificates, err := makeCertificates(key, 0)
	if err != nil {
		return nil, nil, nil, err
	}
	return handshakenPipe(
		func(conn net.Conn) handshaker { return tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) },
		func(conn net.Conn) handshaker { return tls.Server(conn, &tls.Config{Certificates: certificates}) })
}

func srpPipe() (c1, c2 net.Conn, stop func(), err error) {
	verifier, err := NewVerifier(smallGroup(), nil, testUser, testPassword)
	if err != nil {
		return nil, nil, nil, err
	}
	return handshakenPipe(
		func(conn net.Conn) handshaker { return Client(conn, smallClientConfig()) },
		func(conn net.Conn) handshaker { return Server(conn, serverConfig(verifier)) })
}

type handshaker interface {
	net.Conn
	Handshake() error
}

func handshakenPipe(client, server func(net.Conn) handshaker) (c1, c2 net.Conn, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, nil, err
	}
	defer func() { _ = listener.Close() }()
	dialed, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		return nil, nil, nil, err
	}
	accepted, err := listener.Accept()
	if err != nil {
		return nil, nil, nil, err
	}
	c, s := client(dialed), server(accepted)
	var wg sync.WaitGroup
	var serverErr error
	wg.Go(func() { serverErr = s.Handshake() })
	err = c.Handshake()
	wg.Wait()
	if err == nil {
		err = serverErr
	}
	return c, s, func() { _, _ = c.Close(), s.Close() }, err
}
