// Command handshake does handshakes of TLS-SRP, client and server in one process, and tells in a line of JSON what they cost.
//
//	handshake BITS COUNT PASSWORD
//
// It is what libssl.c and gnutls.c are for other libraries. Each handshake has connections of its own and ends with a byte each way
// over the finished connection; configurations and the verifier are made once, beforehand. A wrong password gives exit code 3.
//
// It also builds in versions of the module that have no bench folder.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"

	"xtls-agent/bench/cputime"
	"xtls-agent/bench/memconn"
	"xtls-agent/xtls/tlssrp"
)

const user, password = "alice@home.example", "48151623"

// A report is what is printed.
type report struct {
	Library    string `json:"library"`
	Suite      string `json:"suite"`
	Bits       int    `json:"bits"`
	Handshakes int    `json:"handshakes"`
	CPU        int64  `json:"cpu_ns"`
	ToServer   int    `json:"to_server"` // bytes of the last handshake, without those of the byte
	ToClient   int    `json:"to_client"`
	Sealed     int    `json:"sealed"` // what one byte is on the wire
}

func main() {
	err := run(os.Args[1:])
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "handshake:", err)
	if errors.Is(err, tlssrp.ErrBadPassword) {
		os.Exit(3)
	}
	os.Exit(1)
}

func run(args []string) error {
	if len(args) != 3 {
		return errors.New("usage: handshake BITS COUNT PASSWORD")
	}
	group := map[string]*tlssrp.Group{"2048": tlssrp.Group2048(), "3072": tlssrp.Group3072()}[args[0]]
	count, err := strconv.Atoi(args[1])
	if group == nil || err != nil {
		return fmt.Errorf("what are %q?", args[:2])
	}
	pair, err := newPair(group, args[2])
	if err != nil {
		return err
	}
	r, err := measure(pair, count)
	if err != nil {
		return err
	}
	r.Bits = group.Bits()
	return json.NewEncoder(os.Stdout).Encode(r)
}

// measure does one handshake that does not count, then those that do.
func measure(p *pair, count int) (*report, error) {
	mark()
	r, err := p.handshake()
	if err != nil {
		return nil, err
	}
	used, err := cputime.Of(func() error {
		for range count {
			mark()
			if r, err = p.handshake(); err != nil {
				return err
			}
		}
		mark()
		return nil
	})
	if err != nil {
		return nil, err
	}
	r.Handshakes, r.CPU = count, int64(used)
	return r, nil
}

// mark is where a counter of instructions starts to count anew.
//
//go:noinline
func mark() {}

// A pair is the two configurations.
type pair struct {
	client, server *tlssrp.Config
	group          *tlssrp.Group
}

func newPair(group *tlssrp.Group, guess string) (*pair, error) {
	verifier, err := tlssrp.NewVerifier(group, nil, user, password)
	if err != nil {
		return nil, err
	}
	suites := []uint16{tlssrp.TLS_SRP_SHA_WITH_AES_256_CBC_SHA}
	return &pair{
		client: &tlssrp.Config{CipherSuites: suites, Username: user, Password: guess},
		server: &tlssrp.Config{CipherSuites: suites, GetVerifier: func(_ context.Context, hello *tlssrp.ClientHelloInfo) (*tlssrp.Verifier, error) {
			if hello.Username != user {
				return nil, tlssrp.ErrUnknownUser
			}
			return verifier, nil
		}},
		group: group,
	}, nil
}

// handshake does one.
func (p *pair) handshake() (*report, error) {
	toServer, toClient := memconn.Pair()
	client, server := tlssrp.Client(toServer, p.client), tlssrp.Server(toClient, p.server)
	done := make(chan error, 1)
	go serve(server, done)
	err := client.Handshake()
	if serverErr := <-done; serverErr != nil {
		return nil, serverErr
	}
	if err != nil {
		return nil, err
	}
	r := &report{Library: "ours", Suite: "SRP-AES-256-CBC-SHA", ToServer: toServer.Written(), ToClient: toClient.Written()}
	for _, state := range []tlssrp.ConnectionState{client.ConnectionState(), server.ConnectionState()} {
		if !state.HandshakeComplete || state.CipherSuite != tlssrp.TLS_SRP_SHA_WITH_AES_256_CBC_SHA || !state.Group.Equal(p.group) {
			return nil, fmt.Errorf("not what was asked for: %+v", state)
		}
	}
	if err := errors.Join(move(client, server, 'c'), move(server, client, 's')); err != nil {
		return nil, err
	}
	r.Sealed = toServer.Written() - r.ToServer
	return r, nil
}

func serve(server *tlssrp.Conn, done chan<- error) { done <- server.Handshake() }

// move sends a byte over the finished connection.
func move(from, to *tlssrp.Conn, b byte) error {
	if _, err := from.Write([]byte{b}); err != nil {
		return err
	}
	var got [1]byte
	if n, err := to.Read(got[:]); err != nil || n != 1 || got[0] != b {
		return fmt.Errorf("%q came as %q: %w", b, got, err)
	}
	return nil
}
