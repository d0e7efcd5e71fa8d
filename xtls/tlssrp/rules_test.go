package tlssrp

import (
	"bytes"
	"errors"
	"net"
	"slices"
	"testing"

	"golang.org/x/crypto/cryptobyte"
)

// handshakeUnit is a message as a unit.
func handshakeUnit(raw []byte) unit { return unit{record: recordHandshake, raw: raw} }

// changeClientHello is an edit of the ClientHello alone.
func changeClientHello(t *testing.T, change func(*clientHelloMessage)) edit {
	return changeFirst(t, func(body []byte) message {
		m := new(clientHelloMessage)
		if err := m.unmarshal(body); err != nil {
			t.Errorf("ClientHello of our client: %v", err)
		}
		change(m)
		return m
	})
}

// changeServerHello is an edit of the ServerHello alone.
func changeServerHello(t *testing.T, change func(*serverHelloMessage)) edit {
	return changeFirst(t, func(body []byte) message {
		m := new(serverHelloMessage)
		if err := m.unmarshal(body); err != nil {
			t.Errorf("ServerHello of our server: %v", err)
		}
		change(m)
		return m
	})
}

func changeFirst(t *testing.T, change func(body []byte) message) edit {
	return func(i int, u unit) []unit {
		if i != 0 || u.record != recordHandshake {
			return []unit{u}
		}
		return []unit{handshakeUnit(mustMarshal(t, change(u.raw[messageHeaderLen:])))}
	}
}

// withExtension adds an extension that our own codec does not write to a hello.
func withExtension(t *testing.T, id uint16, data []byte) edit {
	return func(i int, u unit) []unit {
		if i != 0 || u.record != recordHandshake {
			return []unit{u}
		}
		body, end := cryptobyte.String(u.raw[messageHeaderLen:]), 0
		if messageType(u.raw[0]) == typeClientHello {
			m := new(clientHelloMessage)
			if err := m.unmarshal(body); err != nil {
				t.Error(err)
			}
			end = endWithoutExtensions(m)
		} else {
			m := new(serverHelloMessage)
			if err := m.unmarshal(body); err != nil {
				t.Error(err)
			}
			end = endWithoutExtensions(m)
		}
		raw, err := marshalMessage(messageType(u.raw[0]), func(b *cryptobyte.Builder) {
			b.AddBytes(body[:end])
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
				b.AddBytes(body[end+2:])
				addExtension(b, id, addBytes(data))
			})
		})
		if err != nil {
			t.Error(err)
		}
		return []unit{handshakeUnit(raw)}
	}
}

// checkAlert demands that the victim ended the handshake with this alert.
func checkAlert(t *testing.T, out outcome, want AlertError) {
	t.Helper()
	var local *LocalAlertError
	if !errors.As(out.err, &local) || local.Alert != want || !out.alerted {
		t.Errorf("got %v (alert sent: %v), want %v", out.err, out.alerted, want)
	}
}

func TestServerRefusesClientHello(t *testing.T) {
	server, client := serverOf(serverConfig(testVerifier(t, smallGroup()))), clientOf(smallClientConfig())
	for name, tt := range map[string]struct {
		edited edit
		want   AlertError
	}{
		"TLS 1.1 (TLS 1.2 only)": {
			changeClientHello(t, func(m *clientHelloMessage) { m.version = 0x0302 }), AlertProtocolVersion},
		"without EMS (RFC 7627 is required)": {
			changeClientHello(t, func(m *clientHelloMessage) { m.extendedMasterSecret = false }), AlertHandshakeFailure},
		"without EtM (RFC 7366 is required)": {
			changeClientHello(t, func(m *clientHelloMessage) { m.encryptThenMAC = false }), AlertHandshakeFailure},
		"without a suite with SRP": {
			changeClientHello(t, func(m *clientHelloMessage) { m.cipherSuites = []uint16{0xC02F, 0x1301} }), AlertHandshakeFailure},
		"with nothing but _RSA, to a server without certificate (PEERS.md, trap 9)": {
			changeClientHello(t, func(m *clientHelloMessage) {
				m.cipherSuites = []uint16{TLS_SRP_SHA_RSA_WITH_AES_256_CBC_SHA}
				m.signatureAlgorithms = signatureAlgorithms()
			}), AlertHandshakeFailure},
		"without a user name (PEERS.md, trap 2)": {
			changeClientHello(t, func(m *clientHelloMessage) { m.username = "" }), AlertUnknownPSKIdentity},
		"with NUL in the user name (PEERS.md, trap 2)": {
			changeClientHello(t, func(m *clientHelloMessage) { m.username = testUser + "\x00mallory" }), AlertIllegalParameter},
		"without null compression": {
			changeClientHello(t, func(m *clientHelloMessage) { m.compressions = []byte{1} }), AlertIllegalParameter},
		"renegotiating (RFC 5746)": {
			changeClientHello(t, func(m *clientHelloMessage) { m.renegotiationInfo = make([]byte, 12) }), AlertHandshakeFailure},
		"of a user that does not exist": {
			changeClientHello(t, func(m *clientHelloMessage) { m.username = "nobody" }), AlertUnknownPSKIdentity},
		"with another message in the same flight": {
			func(i int, u unit) []unit {
				return []unit{u, handshakeUnit([]byte{byte(typeClientHello), 0, 0, 0})}
			}, AlertUnexpectedMessage},
	} {
		t.Run(name, func(t *testing.T) { checkAlert(t, play(t, server, client, tt.edited), tt.want) })
	}
}

func TestClientRefusesServerHello(t *testing.T) {
	server, client := serverOf(serverConfig(testVerifier(t, smallGroup()))), clientOf(smallClientConfig())
	change := func(f func(*serverHelloMessage)) edit { return changeServerHello(t, f) }
	for name, tt := range map[string]struct {
		edited edit
		want   AlertError
	}{
		"TLS 1.1":            {change(func(m *serverHelloMessage) { m.version = 0x0302 }), AlertProtocolVersion},
		"TLS 1.3 in version": {change(func(m *serverHelloMessage) { m.version = 0x0304 }), AlertProtocolVersion},
		"a suite that was not offered, without SRP": {
			change(func(m *serverHelloMessage) { m.cipherSuite = 0xC014 }), AlertIllegalParameter},
		"a suite that was not offered, with SRP": {
			change(func(m *serverHelloMessage) { m.cipherSuite = TLS_SRP_SHA_RSA_WITH_AES_128_CBC_SHA }), AlertIllegalParameter},
		"compression": {change(func(m *serverHelloMessage) { m.compression = 1 }), AlertIllegalParameter},
		"without EMS (RFC 7627 is required)": {
			change(func(m *serverHelloMessage) { m.extendedMasterSecret = false }), AlertHandshakeFailure},
		"without EtM (RFC 7366 is required)": {
			change(func(m *serverHelloMessage) { m.encryptThenMAC = false }), AlertHandshakeFailure},
		"without renegotiation_info": {change(func(m *serverHelloMessage) { m.renegotiationInfo = nil }), AlertHandshakeFailure},
		"renegotiating (RFC 5746)": {
			change(func(m *serverHelloMessage) { m.renegotiationInfo = make([]byte, 24) }), AlertHandshakeFailure},
		"server_name, which was not sent":             {change(func(m *serverHelloMessage) { m.serverName = true }), AlertUnsupportedExtension},
		"srp echoed (PEERS.md, trap 1)":               {withExtension(t, extensionSRP, nil), AlertUnsupportedExtension},
		"session_ticket (PEERS.md, trap 10)":          {withExtension(t, 35, nil), AlertUnsupportedExtension},
		"supported_versions, as TLS 1.3 would answer": {withExtension(t, 43, []byte{3, 4}), AlertUnsupportedExtension},
	} {
		t.Run(name, func(t *testing.T) { checkAlert(t, play(t, client, server, tt.edited), tt.want) })
	}
}

// PEERS.md, trap 9: the pure suites have neither Certificate nor CertificateRequest.
func TestClientRefusesCertificateMessagesInPureSuites(t *testing.T) {
	server, client := serverOf(serverConfig(testVerifier(t, smallGroup()))), clientOf(smallClientConfig())
	certificate := handshakeUnit(mustMarshal(t, &certificateMessage{testCertificates(t)[0].Certificate}))
	request := handshakeUnit([]byte{byte(typeCertificateRequest), 0, 0, 8, 1, 1, 0, 2, 4, 1, 0, 0})
	for k, extra := range []unit{certificate, request} {
		out := play(t, client, server, func(i int, u unit) []unit {
			if i == k+1 { // Certificate comes before ServerKeyExchange, CertificateRequest after it
				return []unit{extra, u}
			}
			return []unit{u}
		})
		checkAlert(t, out, AlertUnexpectedMessage)
	}
}

func TestUnknownThingsInClientHelloAreIgnored(t *testing.T) {
	config := serverConfig(testVerifier(t, smallGroup()))
	server, client := serverOf(config), clientOf(smallClientConfig())
	for name, edited := range map[string]edit{
		"supported_versions with TLS 1.3": withExtension(t, 43, []byte{4, 3, 4, 3, 3}),
		"session_ticket":                  withExtension(t, 35, nil),
		"an unknown extension":            withExtension(t, 0xfafa, []byte("?")),
		"other suites, SCSV, TLS 1.3 as version": changeClientHello(t, func(m *clientHelloMessage) {
			m.cipherSuites = append([]uint16{0x1301, 0xC02F, scsvRenegotiation, 0x5600}, m.cipherSuites...)
			m.renegotiationInfo = nil
			m.version = 0x0304
		}),
	} {
		t.Run(name, func(t *testing.T) {
			// The client knows nothing of the change, so the transcripts differ and the first proof fails: the server got that far.
			var hello serverHelloMessage
			out := play(t, server, client, edited)
			if !errors.Is(out.err, ErrBadPassword) {
				t.Errorf("server: %v", out.err)
			}
			answer := answerTo(t, config, edited)
			if err := hello.unmarshal(answer); err != nil {
				t.Fatal(err)
			}
			want := []uint16{extensionEncryptThenMAC, extensionExtendedMasterSecret, extensionRenegotiationInfo}
			if hello.version != VersionTLS12 || !slices.Equal(hello.extensions, want) || suiteByID(hello.cipherSuite) == nil {
				t.Errorf("answered with %+v", hello)
			}
		})
	}
}

// answerTo returns the body of the ServerHello with which a server answers an edited ClientHello of ours.
func answerTo(t *testing.T, config *Config, edited edit) []byte {
	t.Helper()
	var answer []byte
	play(t, func(conn net.Conn) *Conn { return Client(conn, smallClientConfig()) }, func(conn net.Conn) *Conn {
		return Server(&editingConn{Conn: conn, edited: edited}, config)
	}, func(i int, u unit) []unit {
		if i == 0 {
			answer = u.raw[messageHeaderLen:]
		}
		return []unit{u}
	})
	return answer
}

// RFC 5746 §3.6: renegotiation_info is answered if, and only if, the client signals that it knows it.
func TestRenegotiationInfoIsAnswered(t *testing.T) {
	config := serverConfig(testVerifier(t, smallGroup()))
	for name, tt := range map[string]struct {
		change func(*clientHelloMessage)
		want   bool
	}{
		"extension": {func(*clientHelloMessage) {}, true},
		"SCSV": {func(m *clientHelloMessage) {
			m.renegotiationInfo = nil
			m.cipherSuites = append(m.cipherSuites, scsvRenegotiation)
		}, true},
		"neither": {func(m *clientHelloMessage) { m.renegotiationInfo = nil }, false},
	} {
		var hello serverHelloMessage
		if err := hello.unmarshal(answerTo(t, config, changeClientHello(t, tt.change))); err != nil {
			t.Fatal(err)
		}
		if (hello.renegotiationInfo != nil) != tt.want {
			t.Errorf("%s: renegotiation_info is %v", name, hello.renegotiationInfo)
		}
	}
}

func TestClientHelloOffersNothingElse(t *testing.T) {
	var hello clientHelloMessage
	play(t, serverOf(serverConfig(testVerifier(t, smallGroup()))), clientOf(smallClientConfig()), func(i int, u unit) []unit {
		if i == 0 {
			if err := hello.unmarshal(u.raw[messageHeaderLen:]); err != nil {
				t.Error(err)
			}
			checkExtensions(t, u.raw[messageHeaderLen+endWithoutExtensions(&hello):])
		}
		return []unit{u}
	})
	want := []uint16{TLS_SRP_SHA_WITH_AES_256_CBC_SHA, TLS_SRP_SHA_WITH_AES_128_CBC_SHA}
	if hello.version != VersionTLS12 || !slices.Equal(hello.cipherSuites, want) || !slices.Equal(hello.compressions, []byte{0}) || len(hello.sessionID) != 0 {
		t.Errorf("%+v", hello)
	}
}

// checkExtensions wants exactly those of the pure suites; above all neither session_ticket nor supported_versions.
func checkExtensions(t *testing.T, raw []byte) {
	t.Helper()
	var ids []uint16
	if err := readExtensions(raw, func(id uint16, _ cryptobyte.String) bool { ids = append(ids, id); return true }); err != nil {
		t.Error(err)
	}
	want := []uint16{extensionSRP, extensionEncryptThenMAC, extensionExtendedMasterSecret, extensionRenegotiationInfo}
	if !slices.Equal(ids, want) {
		t.Errorf("extensions %v, want %v", ids, want)
	}
}

// RFC 5246 §7.4.1.1: a HelloRequest within a handshake is ignored.
func TestHelloRequestDuringHandshakeIsIgnored(t *testing.T) {
	server, client := serverOf(serverConfig(testVerifier(t, smallGroup()))), clientOf(smallClientConfig())
	request := handshakeUnit([]byte{byte(typeHelloRequest), 0, 0, 0})
	out := play(t, client, server, func(i int, u unit) []unit {
		if i == 1 {
			return []unit{request, u}
		}
		return []unit{u}
	})
	if !out.victim.ConnectionState().HandshakeComplete {
		t.Errorf("handshake failed: %v", out.err)
	}
}

// Handshake messages may share records and may be spread over several, RFC 5246 §6.2.1.
func TestFragmentedHandshakeMessages(t *testing.T) {
	for _, s := range victims(t) {
		out := play(t, s.victim, s.other, func(_ int, u unit) []unit {
			if u.record != recordHandshake || u.protected {
				return []unit{u}
			}
			var pieces []unit
			for _, b := range u.raw {
				pieces = append(pieces, handshakeUnit([]byte{b}))
			}
			return pieces
		})
		if !out.victim.ConnectionState().HandshakeComplete {
			t.Errorf("%s: %v", s.name, out.err)
		}
	}
}

func TestUselessRecordsAreBounded(t *testing.T) {
	server, client := serverOf(serverConfig(testVerifier(t, smallGroup()))), clientOf(smallClientConfig())
	for name, useless := range map[string]unit{
		"warnings":      {record: recordAlert, raw: []byte{alertWarning, byte(AlertUnrecognizedName)}},
		"HelloRequests": handshakeUnit([]byte{byte(typeHelloRequest), 0, 0, 0}),
	} {
		few, many := slices.Repeat([]unit{useless}, maxUselessRecords), slices.Repeat([]unit{useless}, maxUselessRecords+1)
		for want, extra := range map[bool][]unit{true: few, false: many} {
			out := play(t, client, server, func(i int, u unit) []unit {
				if i == 1 {
					return append(slices.Clone(extra), u)
				}
				return []unit{u}
			})
			if out.victim.ConnectionState().HandshakeComplete != want {
				t.Errorf("%d %s: %v", len(extra), name, out.err)
			}
		}
	}
}

// An editingConn gives its reader edited records: what an edit does on the way to a victim, for one that is not.
type editingConn struct {
	net.Conn
	edited edit
	rr     recordReader
	units  int
	ready  bytes.Buffer
}

func (c *editingConn) Read(b []byte) (int, error) {
	c.rr.src = c.Conn
	for c.ready.Len() == 0 {
		rec, err := c.rr.next()
		if err != nil {
			return 0, err
		}
		for _, u := range c.edited(c.units, unit{record: rec.typ, raw: bytes.Clone(rec.payload)}) {
			c.ready.Write(rawRecordBytes(u.record, VersionTLS12, u.raw))
		}
		c.units++
	}
	return c.ready.Read(b)
}

func TestMessagesWithOneContentHaveIt(t *testing.T) {
	for _, s := range victims(t)[:2] {
		t.Run(s.name, func(t *testing.T) {
			checkAlert(t, play(t, s.victim, s.other, func(_ int, u unit) []unit {
				if u.record == recordChangeCipherSpec {
					u.raw = []byte{2} // RFC 5246 §7.1 knows only 1
				}
				return []unit{u}
			}), AlertDecodeError)
		})
	}
	client := victims(t)[0]
	checkAlert(t, play(t, client.victim, client.other, func(_ int, u unit) []unit {
		if u.is(typeServerHelloDone) {
			u.raw = []byte{byte(typeServerHelloDone), 0, 0, 1, 0} // RFC 5246 §7.4.5: empty
		}
		return []unit{u}
	}), AlertDecodeError)
}
