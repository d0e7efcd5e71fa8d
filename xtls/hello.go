package xtls

import (
	"bytes"
	"errors"
	"io"
	"net"

	"golang.org/x/crypto/cryptobyte"

	"xtls-agent/xtls/tlssrp"
)

// maxHello bounds a ClientHello that is looked at before TLS takes over: one record.
const maxHello = 1 << 14

var errNoHello = errors.New("xtls: the first bytes are no TLS ClientHello")

// sniff reads the first TLS record of conn, and returns what it holds and a conn on which it is still to be
// read. What is in it matters only where a peer left out security-info (jingle-xtls, Basic Protocol: "the
// responder will see the initiator's choice in the first message of the TLS handshake").
func sniff(conn net.Conn) ([]byte, net.Conn, error) {
	head := make([]byte, 5)
	if _, err := io.ReadFull(conn, head); err != nil {
		return nil, nil, err
	}
	size := int(head[3])<<8 | int(head[4])
	if head[0] != recordHandshake || size == 0 || size > maxHello {
		return nil, nil, errNoHello
	}
	record := append(head, make([]byte, size)...)
	if _, err := io.ReadFull(conn, record[5:]); err != nil {
		return nil, nil, err
	}
	return record[5:], &prefixConn{Conn: conn, prefix: bytes.NewReader(record)}, nil
}

// methodOfHello returns SRP if the ClientHello (RFC 5246 §7.4.1.2) offers a pure SRP suite.
func methodOfHello(msg []byte) (Method, error) {
	s := cryptobyte.String(msg)
	var typ uint8
	var body, session, suites cryptobyte.String
	if !s.ReadUint8(&typ) || typ != 1 || !s.ReadUint24LengthPrefixed(&body) ||
		!body.Skip(2+32) || !body.ReadUint8LengthPrefixed(&session) || !body.ReadUint16LengthPrefixed(&suites) {
		return "", errNoHello
	}
	for !suites.Empty() {
		var suite uint16
		if !suites.ReadUint16(&suite) {
			return "", errNoHello
		}
		if suite == tlssrp.TLS_SRP_SHA_WITH_AES_256_CBC_SHA || suite == tlssrp.TLS_SRP_SHA_WITH_AES_128_CBC_SHA {
			return SRP, nil
		}
	}
	return X509, nil
}

// prefixConn is a conn some of whose bytes were read already.
type prefixConn struct {
	net.Conn
	prefix *bytes.Reader
}

func (c *prefixConn) Read(p []byte) (int, error) {
	if c.prefix.Len() > 0 {
		return c.prefix.Read(p)
	}
	return c.Conn.Read(p)
}
