// Command record moves data through TLS connections in memory and tells in a line of JSON what that costs.
//
//	record ours|crypto/tls MEBIBYTES
//
// Both have AES-128 in CBC mode and HMAC-SHA-1. Records are of 16 KiB, from the client and from the server in turns, and what arrives
// is compared. Everything happens on one goroutine once the handshake is done.
package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"

	"xtls-agent/bench/cputime"
	"xtls-agent/bench/memconn"
)

// recordLen is the longest that TLS has.
const recordLen = 1 << 14

// A report is what is printed.
type report struct {
	Library string `json:"library"`
	Suite   string `json:"suite"`
	Records int    `json:"records"`
	Bytes   int    `json:"bytes"`
	CPU     int64  `json:"cpu_ns"`
	Sealed  int    `json:"sealed"` // what a record is on the wire
}

// A session is two ends whose handshake is done.
type session struct {
	suite          string
	client, server io.ReadWriter
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "record:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: record ours|crypto/tls MEBIBYTES")
	}
	mebibytes, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	connect := map[string]func(client, server net.Conn) (*session, error){"ours": ours, "crypto/tls": cryptoTLS}[args[0]]
	if connect == nil {
		return fmt.Errorf("what is %q?", args[0])
	}
	clientsEnd, serversEnd := memconn.Pair()
	s, err := connect(clientsEnd, serversEnd)
	if err != nil {
		return err
	}
	r, err := measure(s, mebibytes<<20/recordLen/2, clientsEnd)
	if err != nil {
		return err
	}
	r.Library, r.Suite = args[0], s.suite
	return json.NewEncoder(os.Stdout).Encode(r)
}

// handshake runs both sides'.
func handshake(client, server interface{ Handshake() error }) error {
	done := make(chan error, 1)
	go func() { done <- server.Handshake() }()
	return errors.Join(client.Handshake(), <-done)
}

// measure moves one record each way, and then those that count.
func measure(s *session, count int, wire *memconn.Conn) (*report, error) {
	m := mover{sent: make([]byte, recordLen), got: make([]byte, recordLen)}
	if _, err := rand.Read(m.sent); err != nil {
		return nil, err
	}
	before := wire.Written()
	if err := m.both(s); err != nil {
		return nil, err
	}
	r := &report{Records: 2 * count, Bytes: 2 * count * recordLen, Sealed: wire.Written() - before}
	used, err := cputime.Of(func() error {
		for range count {
			if err := m.both(s); err != nil {
				return err
			}
		}
		return nil
	})
	r.CPU = int64(used)
	return r, err
}

// A mover has what is sent, and room for what arrives.
type mover struct{ sent, got []byte }

func (m *mover) both(s *session) error {
	if err := m.move(s.client, s.server); err != nil {
		return err
	}
	return m.move(s.server, s.client)
}

func (m *mover) move(from io.Writer, to io.Reader) error {
	if _, err := from.Write(m.sent); err != nil {
		return err
	}
	if _, err := io.ReadFull(to, m.got); err != nil {
		return err
	}
	if !bytes.Equal(m.got, m.sent) {
		return errors.New("other bytes came than were sent")
	}
	return nil
}
