package tlssrp

import (
	"crypto/tls"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
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
	var passed atomic.Int32
	t.Run("each", func(t *testing.T) {
		for _, name := range manners {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				control, said := runNettest(t, "control", name, "5s")
				if !strings.Contains(said, "/"+name) {
					t.Errorf("did not run:\n%s", said)
				}
				if !control {
					t.Logf("crypto/tls does not pass this")
					return
				}
				passed.Add(1)
				if ours, said := runNettest(t, "ours", name, "30s"); !ours {
					t.Errorf("crypto/tls passes this, we do not:\n%s", said)
				}
			})
		}
	})
	if int(passed.Load()) < len(manners)/2 {
		t.Errorf("the control passed only %d of %d", passed.Load(), len(manners))
	}
}

func runNettest(t *testing.T, kind, name, timeout string) (passed bool, said string) {
	t.Helper()
	pattern := "-test.run=^TestConnHasTheMannersOfCryptoTLS$/^" + name + "$"
	command := exec.CommandContext(t.Context(), os.Args[0], "-test.v", "-test.timeout="+timeout, pattern)
	command.Env = append(os.Environ(), nettestVariable+"="+kind)
	output, err := command.CombinedOutput()
	return err == nil, string(output)
}

func controlPipe() (c1, c2 net.Conn, stop func(), err error) {
	certificates, err := makeCertificates(0)
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
