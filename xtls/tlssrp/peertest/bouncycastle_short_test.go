package peertest

import (
	"context"
	"encoding/hex"
	"math/big"
	"net"
	"testing"

	"golang.org/x/crypto/cryptobyte"

	"xtls-agent/internal/prove"
	"xtls-agent/internal/testpeer"
	"xtls-agent/xtls/tlssrp"
)

// The handshakes of short_test.go with BouncyCastle, which pads A, B and S by code that neither we nor OpenSSL have written. It
// does not tell what it sent, so the wire is tapped.

// Half as many as with OpenSSL: that there are fewer than fewShort of any kind happens once in some ten thousand runs.
const (
	bouncyHandshakes = manyHandshakes / 2
	fewShort         = 1
)

func bouncyRounds(t *testing.T) int { return prove.Rounds(t, bouncyHandshakes, 2*manyHandshakes) }

func TestClientManyHandshakesWithBouncyCastle(t *testing.T) {
	t.Parallel()
	peer := testpeer.StartBouncyCastle(t)
	server := peer.Server(t, testpeer.BouncyCastleOptions{User: user, Password: password, N: smallN, G: smallG})
	group := smallGroup(t)
	var count shortCount
	for range bouncyRounds(t) {
		random, tap := &recordingReader{}, &tappedConn{Conn: dialQuick(t, server.Addr)}
		conn := tlssrp.Client(tap, &tlssrp.Config{Rand: random, Groups: []*tlssrp.Group{group}, Username: user, Password: password})
		err := handshake(t.Context(), conn)
		conn.Close()
		if result := server.Result(t); err != nil || !result.OK {
			t.Fatalf("handshake %d: we say %v, bouncycastle %+v", count.handshakes, err, result)
		}
		x := newExchange(t, tap.seen(t, tap.read, tap.written))
		count.add(x, x.clientPremaster(random.read))
	}
	count.checkLeast(t, fewShort)
}

func TestServerManyHandshakesWithBouncyCastle(t *testing.T) {
	t.Parallel()
	peer := testpeer.StartBouncyCastle(t)
	verifier, err := tlssrp.NewVerifier(smallGroup(t), nil, user, password)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tapped := &tappingListener{TCPListener: l.(*net.TCPListener)}
	defer l.Close()
	v := new(big.Int).SetBytes(verifier.V)
	var count shortCount
	for range bouncyRounds(t) {
		random, ended := &recordingReader{}, make(chan testpeer.BouncyCastleResult, 1)
		go func() {
			defer close(ended) // also if the peer does not answer
			ended <- peer.Client(t, l.Addr().String(), testpeer.BouncyCastleOptions{User: user, Password: password, N: smallN, G: smallG})
		}()
		err := serveQuick(t, tapped, &tlssrp.Config{
			Rand:        random,
			GetVerifier: func(context.Context, *tlssrp.ClientHelloInfo) (*tlssrp.Verifier, error) { return verifier, nil },
		})
		if result := <-ended; err != nil || !result.OK {
			t.Fatalf("handshake %d: we say %v, bouncycastle %+v", count.handshakes, err, result)
		}
		tap := tapped.last
		x := newExchange(t, tap.seen(t, tap.written, tap.read))
		count.add(x, x.serverPremaster(random.read, v))
	}
	count.checkLeast(t, fewShort)
}

// A tappedConn keeps what goes through it.
type tappedConn struct {
	net.Conn
	read, written []byte
}

func (c *tappedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.read = append(c.read, b[:n]...)
	return n, err
}

func (c *tappedConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.written = append(c.written, b[:n]...)
	return n, err
}

// A tappingListener taps each connection.
type tappingListener struct {
	*net.TCPListener
	last *tappedConn
}

func (l *tappingListener) Accept() (net.Conn, error) {
	conn, err := l.TCPListener.Accept()
	if err != nil {
		return nil, err
	}
	l.last = &tappedConn{Conn: conn}
	return l.last, nil
}

// seen finds A, B and the salt in what the two sides have sent.
func (c *tappedConn) seen(t *testing.T, server, client []byte) testpeer.LibSSLResult {
	t.Helper()
	const serverKeyExchange, clientKeyExchange = 12, 16
	var n, g, salt, b, a cryptobyte.String
	params, public := message(server, serverKeyExchange), message(client, clientKeyExchange)
	if !params.ReadUint16LengthPrefixed(&n) || !params.ReadUint16LengthPrefixed(&g) || !params.ReadUint8LengthPrefixed(&salt) ||
		!params.ReadUint16LengthPrefixed(&b) || !public.ReadUint16LengthPrefixed(&a) {
		t.Fatal("cannot find A and B on the wire")
	}
	return testpeer.LibSSLResult{A: hex.EncodeToString(a), B: hex.EncodeToString(b), Salt: hex.EncodeToString(salt)}
}

// message returns the body of the handshake message of this type, from the records before the keys change; empty if it is not there.
func message(stream cryptobyte.String, want uint8) cryptobyte.String {
	const handshakeRecord = 22
	var messages cryptobyte.String
	for {
		var typ uint8
		var payload cryptobyte.String
		if !stream.ReadUint8(&typ) || typ != handshakeRecord || !stream.Skip(2) || !stream.ReadUint16LengthPrefixed(&payload) {
			break
		}
		messages = append(messages, payload...)
	}
	for {
		var typ uint8
		var body cryptobyte.String
		if !messages.ReadUint8(&typ) || !messages.ReadUint24LengthPrefixed(&body) || typ == want {
			return body
		}
	}
}
