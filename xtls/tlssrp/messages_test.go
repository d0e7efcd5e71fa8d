package tlssrp

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

// message is what every codec has.
type message interface {
	marshal() ([]byte, error)
	unmarshal(body []byte) error
}

func testRandom(b byte) []byte { return bytes.Repeat([]byte{b}, randomLen) }

// messageCase is one message with a fresh value to parse into.
type messageCase struct {
	name  string
	full  message
	empty func() message
}

func messageCases() []messageCase {
	return []messageCase{
		{"ClientHello", &clientHelloMessage{
			version: VersionTLS12, random: testRandom(1), sessionID: []byte{1, 2, 3},
			cipherSuites: []uint16{TLS_SRP_SHA_WITH_AES_256_CBC_SHA, scsvRenegotiation}, compressions: []byte{1, 0},
			serverName: "box.example", username: testUser, signatureAlgorithms: signatureAlgorithms(),
			encryptThenMAC: true, extendedMasterSecret: true, renegotiationInfo: []byte{},
		}, func() message { return new(clientHelloMessage) }},
		{"ServerHello", &serverHelloMessage{
			version: VersionTLS12, random: testRandom(2), sessionID: testRandom(3), cipherSuite: TLS_SRP_SHA_WITH_AES_128_CBC_SHA,
			extensions: []uint16{extensionServerName, extensionEncryptThenMAC, extensionExtendedMasterSecret, extensionRenegotiationInfo},
			serverName: true, encryptThenMAC: true, extendedMasterSecret: true, renegotiationInfo: []byte{},
		}, func() message { return new(serverHelloMessage) }},
		{"Certificate", &certificateMessage{[][]byte{{1, 2, 3}, {4}}}, func() message { return new(certificateMessage) }},
		{"ServerKeyExchange", &serverKeyExchangeMessage{
			n: Group2048().N(), g: []byte{2}, salt: []byte{7, 8, 9}, public: []byte{10, 11},
		}, func() message { return new(serverKeyExchangeMessage) }},
		{"ServerKeyExchange, signed", &serverKeyExchangeMessage{
			n: Group2048().N(), g: []byte{2}, salt: []byte{7, 8, 9}, public: []byte{10, 11},
			signed: true, algorithm: signatureRSAPSS, signature: []byte{12, 13},
		}, func() message { return &serverKeyExchangeMessage{signed: true} }},
		{"ClientKeyExchange", &clientKeyExchangeMessage{[]byte{1, 2, 3}}, func() message { return new(clientKeyExchangeMessage) }},
		{"Finished", &finishedMessage{bytes.Repeat([]byte{9}, verifyDataLen)}, func() message { return new(finishedMessage) }},
	}
}

func mustMarshal(t testing.TB, m message) []byte {
	t.Helper()
	raw, err := m.marshal()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestMessagesRoundTrip(t *testing.T) {
	for _, tt := range messageCases() {
		raw := mustMarshal(t, tt.full)
		got := tt.empty()
		if err := got.unmarshal(raw[messageHeaderLen:]); err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if again := mustMarshal(t, got); !bytes.Equal(again, raw) {
			t.Errorf("%s: %x became %x", tt.name, raw, again)
		}
		if !reflect.DeepEqual(normal(got), normal(tt.full)) {
			t.Errorf("%s: %+v became %+v", tt.name, tt.full, got)
		}
	}
}

// normal makes named byte slices comparable: those of cryptobyte have a type of their own.
func normal(m message) any {
	if c, ok := m.(*certificateMessage); ok {
		var plain [][]byte
		for _, der := range c.certificates {
			plain = append(plain, []byte(der))
		}
		return plain
	}
	return m
}

func TestEveryPrefixIsRefused(t *testing.T) {
	for _, tt := range messageCases() {
		raw := mustMarshal(t, tt.full)
		body := raw[messageHeaderLen:]
		for n := range len(body) {
			if tt.empty().unmarshal(body[:n]) == nil && n != endWithoutExtensions(tt.full) {
				t.Errorf("%s: %d of %d bytes were accepted", tt.name, n, len(body))
			}
		}
		if tt.empty().unmarshal(append(bytes.Clone(body), 0)) == nil {
			t.Errorf("%s: a byte too many was accepted", tt.name)
		}
	}
}

// endWithoutExtensions is the one length at which a hello may end early: RFC 5246 §7.4.1.2, a hello without extensions.
func endWithoutExtensions(m message) int {
	switch m := m.(type) {
	case *clientHelloMessage:
		return 2 + randomLen + 1 + len(m.sessionID) + 2 + 2*len(m.cipherSuites) + 1 + len(m.compressions)
	case *serverHelloMessage:
		return 2 + randomLen + 1 + len(m.sessionID) + 2 + 1
	}
	return -1
}

func TestHelloRefusesAnExtensionTwice(t *testing.T) {
	hello := &clientHelloMessage{version: VersionTLS12, random: testRandom(1), cipherSuites: []uint16{1}, compressions: []byte{0}}
	body := mustMarshal(t, hello)[messageHeaderLen:]
	body = body[:len(body)-2]
	for name, extension := range map[string][]byte{
		"known":   {0, byte(extensionEncryptThenMAC), 0, 0},
		"unknown": {0x12, 0x34, 0, 0},
	} {
		once := append(append(bytes.Clone(body), 0, 4), extension...)
		twice := append(append(append(bytes.Clone(body), 0, 8), extension...), extension...)
		if err := new(clientHelloMessage).unmarshal(once); err != nil {
			t.Errorf("%s extension: %v", name, err)
		}
		if new(clientHelloMessage).unmarshal(twice) == nil {
			t.Errorf("%s extension twice was accepted", name)
		}
	}
}

func TestMarshallingRefusesWhatDoesNotFit(t *testing.T) {
	hello := &clientHelloMessage{username: strings.Repeat("x", 256)}
	if _, err := hello.marshal(); err == nil {
		t.Error("a user name of 256 bytes was accepted")
	}
}

func TestHelloRefusesALongSessionID(t *testing.T) {
	for _, m := range []message{
		&clientHelloMessage{random: testRandom(1), sessionID: make([]byte, 33), cipherSuites: []uint16{1}, compressions: []byte{0}},
		&serverHelloMessage{random: testRandom(1), sessionID: make([]byte, 33)},
	} {
		if m.unmarshal(mustMarshal(t, m)[messageHeaderLen:]) == nil {
			t.Errorf("%T with a session ID of 33 bytes was accepted", m)
		}
	}
}

// fuzzMessage checks what holds for every codec: what parses comes out of marshal again in a form that parses to the same.
func fuzzMessage(f *testing.F, name string) {
	var tt messageCase
	for _, candidate := range messageCases() {
		if candidate.name == name {
			tt = candidate
		}
	}
	raw := mustMarshal(f, tt.full)
	f.Add(raw[messageHeaderLen:])
	f.Add(raw[messageHeaderLen : len(raw)-1])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) {
		m := tt.empty()
		if m.unmarshal(body) != nil {
			return
		}
		first := mustMarshal(t, m)
		again := tt.empty()
		if err := again.unmarshal(first[messageHeaderLen:]); err != nil {
			t.Fatalf("%x parses, but not after marshalling: %v", body, err)
		}
		if second := mustMarshal(t, again); !bytes.Equal(first, second) {
			t.Fatalf("%x became %x", first, second)
		}
	})
}

func FuzzClientHello(f *testing.F)             { fuzzMessage(f, "ClientHello") }
func FuzzServerHello(f *testing.F)             { fuzzMessage(f, "ServerHello") }
func FuzzCertificate(f *testing.F)             { fuzzMessage(f, "Certificate") }
func FuzzServerKeyExchange(f *testing.F)       { fuzzMessage(f, "ServerKeyExchange") }
func FuzzSignedServerKeyExchange(f *testing.F) { fuzzMessage(f, "ServerKeyExchange, signed") }
func FuzzClientKeyExchange(f *testing.F)       { fuzzMessage(f, "ClientKeyExchange") }
func FuzzFinished(f *testing.F)                { fuzzMessage(f, "Finished") }
