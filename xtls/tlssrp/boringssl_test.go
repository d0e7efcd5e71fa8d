package tlssrp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// These tests follow the ideas of BoringSSL's test runner (ssl/test/runner), whose names stand at each, and of those scripts of tlsfuzzer that
// tlsfuzzer_*_test.go leave out. docs/design/003-tls-conformance.md maps them all.

// TrailingMessageData: each message is one byte longer than it should be, and says so.
func TestBoringSSLTrailingMessageData(t *testing.T) {
	for _, s := range victims(t) {
		for k, u := range s.control(t) {
			if u.protected || u.record != recordHandshake {
				continue
			}
			out := play(t, s.victim, s.other, func(i int, u unit) []unit {
				if i != k {
					return []unit{u}
				}
				longer := append(bytes.Clone(u.raw), 0)
				body := len(longer) - messageHeaderLen
				longer[1], longer[2], longer[3] = byte(body>>16), byte(body>>8), byte(body)
				return []unit{handshakeUnit(longer)}
			})
			checkFate(t, out, fate{refusedWith: AlertDecodeError}, s.name+", a byte behind "+describe(u))
		}
	}
}

// PackHandshakeFlight, StrayHelloRequest-Packed: the messages of a flight share a record, and a HelloRequest among them is still ignored.
func TestBoringSSLPackedFlight(t *testing.T) {
	for _, request := range [][]byte{nil, {byte(typeHelloRequest), 0, 0, 0}} {
		for _, s := range victims(t) {
			if s.name == "server" {
				continue // its peer's flights have one message before the keys change
			}
			packed := append([]byte(nil), request...)
			out := play(t, s.victim, s.other, func(_ int, u unit) []unit {
				if u.record != recordHandshake || u.protected {
					return []unit{u}
				}
				if packed = append(packed, u.raw...); !u.is(typeServerHelloDone) {
					return nil
				}
				return []unit{handshakeUnit(packed)}
			})
			checkFate(t, out, fate{ignored: true}, fmt.Sprintf("%s, with %d bytes of HelloRequest", s.name, len(request)))
		}
	}
}

// FragmentAcrossChangeCipherSpec, PartialFinishedWithServerHelloDone: no message may begin under one key and end under another.
func TestBoringSSLFragmentAcrossChangeCipherSpec(t *testing.T) {
	begun := []byte{byte(typeFinished), 0, 0}
	for _, s := range victims(t) {
		for k, u := range s.control(t) {
			if u.record == recordChangeCipherSpec {
				out := play(t, s.victim, s.other, before(k, handshakeUnit(begun)))
				checkFate(t, out, fate{refusedWith: AlertUnexpectedMessage}, s.name+", a record of its own")
			}
			if !u.is(typeServerHelloDone) && !u.is(typeClientKeyExchange) {
				continue
			}
			out := play(t, s.victim, s.other, func(i int, u unit) []unit {
				if i == k {
					u.raw = append(bytes.Clone(u.raw), begun...)
				}
				return []unit{u}
			})
			checkFate(t, out, fate{refusedWith: AlertUnexpectedMessage}, s.name+", behind "+describe(u))
		}
	}
}

// BadChangeCipherSpec-1, -2; EarlyChangeCipherSpec and StrayChangeCipherSpec are in TestFuzzerInsteadOfMessages.
func TestBoringSSLBadChangeCipherSpec(t *testing.T) {
	for _, s := range victims(t) {
		for name, raw := range map[string][]byte{"2": {2}, "0": {0}, "1 1": {1, 1}, "a handshake message": {20, 0, 0, 12}} {
			out := play(t, s.victim, s.other, func(_ int, u unit) []unit {
				if u.record == recordChangeCipherSpec {
					u.raw = raw
				}
				return []unit{u}
			})
			checkFate(t, out, fate{refusedWith: AlertDecodeError}, s.name+", "+name)
		}
	}
}

// AppDataBeforeHandshake-Empty, AppDataAfterChangeCipherSpec-Empty: data that is empty is data, and has no place in a handshake.
func TestBoringSSLEmptyDataInHandshake(t *testing.T) {
	for _, s := range victims(t) {
		for k, u := range s.control(t) {
			if u.protected {
				continue
			}
			out := play(t, s.victim, s.other, before(k, unit{record: recordApplicationData}))
			checkFate(t, out, fate{refusedWith: AlertUnexpectedMessage}, s.name+", before "+describe(u))
		}
	}
	empty := func(hs *handshakeState) error {
		hs.c.out.mu.Lock()
		defer hs.c.out.mu.Unlock()
		return hs.c.writeRecord(recordApplicationData, nil)
	}
	checkRogues(t, "before Finished, under the keys", empty, AlertUnexpectedMessage)
}

// BadFinished and TrailingMessageData of Finished, test-fuzzed-finished.py, test-truncating-of-finished.py: right keys, wrong content.
func TestBoringSSLBadFinished(t *testing.T) {
	finished := func(hs *handshakeState) []byte {
		return append([]byte{byte(typeFinished), 0, 0, verifyDataLen}, verifyData(hs.master, hs.c.isClient, hs.transcript)...)
	}
	checkRogues(t, "a byte longer", func(hs *handshakeState) error {
		raw := append(finished(hs), 0)
		raw[3]++
		return hs.send(raw, nil)
	}, AlertDecodeError)
	for n := range verifyDataLen {
		checkRogues(t, fmt.Sprintf("%d bytes", n), func(hs *handshakeState) error {
			raw := finished(hs)[:messageHeaderLen+n]
			raw[3] = byte(n)
			return hs.send(raw, nil)
		}, AlertDecodeError)
		checkRogues(t, fmt.Sprintf("byte %d changed", n), func(hs *handshakeState) error {
			raw := finished(hs)
			raw[messageHeaderLen+n] ^= 0x80
			return hs.send(raw, nil)
		}, AlertDecryptError)
	}
	checkRogues(t, "of the other side", func(hs *handshakeState) error {
		other := verifyData(hs.master, !hs.c.isClient, hs.transcript)
		return hs.send(append([]byte{byte(typeFinished), 0, 0, verifyDataLen}, other...), nil)
	}, AlertDecryptError)
}

// checkRogues plays a rogue that knows the password against both of our sides. Neither completes, and both send the alert.
func checkRogues(t *testing.T, name string, instead rogue, want AlertError) {
	t.Helper()
	for _, role := range []string{"client", "server"} {
		ct, st := tcpPipe(t)
		if err := errors.Join(ct.SetDeadline(time.Now().Add(10*time.Second)), st.SetDeadline(time.Now().Add(10*time.Second))); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		victim := Client(ct, smallClientConfig())
		if role == "client" {
			go func() { done <- runRogueServer(st, serverConfig(testVerifier(t, smallGroup())), instead) }()
		} else {
			victim = Server(st, serverConfig(testVerifier(t, smallGroup())))
			go func() { done <- runRogueClient(ct, smallClientConfig(), instead) }()
		}
		err := victim.Handshake()
		var local *LocalAlertError
		if !errors.As(err, &local) || local.Alert != want || victim.ConnectionState().HandshakeComplete {
			t.Errorf("%s, %s: %v, want %v", role, name, err, want)
		}
		_ = victim.NetConn().Close()
		<-done
	}
}

// BadHelloRequest-1, -2, SendHalfHelloRequest, test-hello-request-by-client.py: after the handshake, where an honest one is declined.
func TestBoringSSLBadHelloRequest(t *testing.T) {
	half := func(t *testing.T, attacker *Conn) {
		inject(t, attacker, recordHandshake, []byte{byte(typeHelloRequest), 0})
		inject(t, attacker, recordApplicationData, []byte("x"))
	}
	for name, tt := range map[string]struct {
		send                   func(*testing.T, *Conn)
		fromServer, fromClient AlertError
	}{
		"with content":        {func(t *testing.T, c *Conn) { inject(t, c, recordHandshake, []byte{0, 0, 0, 1, 0}) }, AlertDecodeError, AlertUnexpectedMessage},
		"and half of another": {func(t *testing.T, c *Conn) { inject(t, c, recordHandshake, []byte{0, 0, 0, 0, 1}) }, answered, AlertUnexpectedMessage},
		"half of one":         {half, AlertUnexpectedMessage, AlertUnexpectedMessage},
		"honest":              {func(t *testing.T, c *Conn) { inject(t, c, recordHandshake, []byte{0, 0, 0, 0}) }, answered, AlertUnexpectedMessage},
	} {
		eachWay(t, name, func(t *testing.T, attacker, victim *Conn) {
			want := tt.fromClient
			if victim.isClient {
				want = tt.fromServer
			}
			tt.send(t, attacker)
			if err := victim.SetReadDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			_, err := victim.Read(make([]byte, 1))
			var local *LocalAlertError
			var timeout net.Error
			declined := errors.As(err, &timeout) && timeout.Timeout()
			if want == answered && !declined || want != answered && (!errors.As(err, &local) || local.Alert != want) {
				t.Errorf("got %v, want %v", err, want)
			}
		})
	}
}

// AlternateEmptyRecordsAndWarningAlerts: what brings nothing is counted together; SendWarningAlerts-TooMany before the first message too
// (test-ssl-death-alert.py).
func TestBoringSSLUselessRecordsTogether(t *testing.T) {
	for _, n := range []int{maxUselessRecords, maxUselessRecords + 1} {
		eachWay(t, fmt.Sprint(n), func(t *testing.T, attacker, victim *Conn) {
			for i := range n {
				if i%2 == 0 {
					inject(t, attacker, recordApplicationData, nil)
				} else {
					inject(t, attacker, recordAlert, []byte{alertWarning, 200})
				}
			}
			inject(t, attacker, recordApplicationData, []byte("x"))
			_, err := victim.Read(make([]byte, 1))
			if tooMany := n > maxUselessRecords; tooMany != errors.Is(err, AlertUnexpectedMessage) || !tooMany && err != nil {
				t.Errorf("after %d: %v", n, err)
			}
		})
		warnings := bytes.Repeat(rawRecordBytes(recordAlert, 0x0301, []byte{alertWarning, 112}), n)
		want := answered
		if n > maxUselessRecords {
			want = AlertUnexpectedMessage
		}
		checkReply(t, serverReply(t, changed(func(h *rawHello) { h.before = warnings }).stream()), want)
	}
}

// V2ClientHello, test-sslv2-connection.py, test-sslv2hello-protocol.py, HttpGET and its like, Garbage: what is not TLS is told so, at its first record.
func TestBoringSSLNotTLS(t *testing.T) {
	const v2 = "\x80\x2e\x01\x03\x03\x00\x15\x00\x00\x00\x10\x00\xc0\x20\x00\xc0\x1d\x00\x00\xff\x07\x00\xc0\x05\x00\x80\x03\x00\x80"
	for name, stream := range map[string]string{
		"SSLv2 hello": v2 + strings.Repeat("\x07", 16), "SSLv2 hello of SSL 2": "\x80\x1c\x01\x00\x02\x00\x03\x00\x00\x00\x10\x01\x00\x80" + strings.Repeat("\x07", 16),
		"GET": "GET / HTTP/1.0\r\n\r\n", "POST": "POST / HTTP/1.0\r\n\r\n", "HEAD": "HEAD / HTTP/1.0\r\n\r\n", "PUT": "PUT / HTTP/1.0\r\n\r\n",
		"CONNECT": "CONNECT www.google.com:443 HTTP/1.0\r\n\r\n", "garbage": "blah blah blah",
		"XML": "<?xml version='1.0'?><stream:stream>", "zeros": strings.Repeat("\x00", 64),
	} {
		t.Run(name, func(t *testing.T) {
			checkReply(t, serverReply(t, []byte(stream)), AlertUnexpectedMessage)
			ct, st := tcpPipe(t)
			if _, err := io.WriteString(st, stream); err != nil {
				t.Fatal(err)
			}
			if err := Client(ct, smallClientConfig()).Handshake(); !errors.Is(err, AlertUnexpectedMessage) {
				t.Errorf("client: %v", err)
			}
		})
	}
}

// Unclean-Shutdown, test-connection-abort.py: the transport ends after each record, and in the middle of each. That is no end of TLS, and no proof.
func TestBoringSSLConnectionAbort(t *testing.T) {
	for _, s := range victims(t) {
		for k := range len(s.control(t)) {
			for _, part := range []int{0, 1, recordHeaderLen, recordHeaderLen + 1} {
				cut := func(conn net.Conn) *Conn { return s.victim(&cutConn{Conn: conn, whole: k, part: part}) }
				out := play(t, cut, s.other, unedited)
				if out.err != io.ErrUnexpectedEOF || out.alerted || out.victim.ConnectionState().HandshakeComplete {
					t.Errorf("%s, after %d records and %d bytes: %v (alert sent: %v)", s.name, k, part, out.err, out.alerted)
				}
			}
		}
	}
}

// A cutConn ends after so many whole records, and some bytes of the next.
type cutConn struct {
	net.Conn
	whole, part int
	rr          recordReader
	ready       bytes.Buffer
	ended       bool
}

func (c *cutConn) Read(b []byte) (int, error) {
	c.rr.src = c.Conn
	if c.ready.Len() == 0 && !c.ended && (c.whole > 0 || c.part > 0) {
		rec, err := c.rr.next()
		if err != nil {
			return 0, err
		}
		raw := rawRecordBytes(rec.typ, rec.version, rec.payload)
		if c.whole == 0 {
			raw, c.ended = raw[:c.part], true
		}
		c.whole--
		c.ready.Write(raw)
	}
	if c.ready.Len() == 0 {
		return 0, io.EOF
	}
	return c.ready.Read(b)
}

// test-fuzzed-ciphertext.py, test-fuzzed-MAC.py, test-fuzzed-padding.py, test-lucky13.py, test-cve-2016-2107.py; BadCBCPadding, BadCBCPadding255:
// whatever is wrong with a record, the alert is the same and comes before anything is decrypted, but for padding that the MAC vouches for.
func TestFuzzerFuzzedCiphertext(t *testing.T) {
	flip := func(at int) func([]byte) []byte {
		return func(sealed []byte) []byte {
			sealed[(at+len(sealed))%len(sealed)] ^= 1
			return sealed
		}
	}
	for name, alter := range map[string]func([]byte) []byte{
		"IV":                     flip(0),
		"first block":            flip(16),
		"padding":                flip(-macKeyLen - 1),
		"first byte of the MAC":  flip(-macKeyLen),
		"last byte of the MAC":   flip(-1),
		"a byte less":            func(s []byte) []byte { return s[:len(s)-1] },
		"a block less":           func(s []byte) []byte { return append(s[:16:16], s[32:]...) },
		"no ciphertext":          func(s []byte) []byte { return s[:16+macKeyLen] },
		"nothing but half a MAC": func(s []byte) []byte { return s[:macKeyLen/2] },
		"nothing":                func([]byte) []byte { return nil },
		"two blocks in the wrong order": func(s []byte) []byte {
			return append(append(append(s[:16:16], s[32:48]...), s[16:32]...), s[48:]...)
		},
	} {
		eachWay(t, name, func(t *testing.T, attacker, victim *Conn) {
			attacker.out.mu.Lock()
			sealed, err := attacker.out.protection.seal(nil, recordApplicationData, make([]byte, 20), attacker.config.rand())
			attacker.out.mu.Unlock()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := attacker.conn.Write(rawRecordBytes(recordApplicationData, VersionTLS12, alter(sealed))); err != nil {
				t.Fatal(err)
			}
			wantDead(t, attacker, victim, AlertBadRecordMAC)
		})
	}
	for name, plain := range map[string][]byte{
		"padding of other bytes":         {'a', 'b', 'c', 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 12},
		"padding longer than the record": bytes.Repeat([]byte{255}, 16),
	} {
		eachWay(t, name, func(t *testing.T, attacker, victim *Conn) {
			injectPlain(t, attacker, plain)
			wantDead(t, attacker, victim, AlertBadRecordMAC)
		})
	}
}

// wantDead wants the victim to refuse what it reads, now and ever after, and to say so.
func wantDead(t *testing.T, attacker, victim *Conn, want AlertError) {
	t.Helper()
	var local *LocalAlertError
	for range 2 {
		if n, err := victim.Read(make([]byte, 64)); n > 0 || !errors.As(err, &local) || local.Alert != want {
			t.Errorf("read %d bytes, %v, want %v", n, err, want)
		}
	}
	var remote *RemoteAlertError
	if _, err := attacker.Read(make([]byte, 1)); !errors.As(err, &remote) || remote.Alert != want {
		t.Errorf("the peer got %v, want %v", err, want)
	}
	if _, err := victim.Write([]byte("x")); err == nil {
		t.Error("it still writes")
	}
}
