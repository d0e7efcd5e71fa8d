package tlssrp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// These tests follow the ideas of tlsfuzzer (its script's name stands at each), which has no SRP: a peer that writes its bytes by hand,
// without a codec of ours, and a table of what it gets for them. What is about whole messages is in script_test.go.

// A rawHello is a ClientHello in pieces, as bytes. Lengths are added, but that of the extensions: see listed.
type rawHello struct {
	version                       uint16
	session, suites, compressions []byte
	extensions                    []byte // with the length before them; none at all if empty
	trailing                      []byte // after the last extension
	recordVersion                 uint16
	before                        []byte // whole records
}

// honestHello is answered by a ServerHello.
func honestHello() rawHello {
	return rawHello{
		version: 0x0303, suites: []byte{0xc0, 0x20}, compressions: []byte{0}, extensions: listed(honestExtensions()...),
		recordVersion: 0x0301,
	}
}

func honestExtensions() [][]byte {
	name := append([]byte{byte(len(testUser))}, testUser...)
	return [][]byte{extension(12, name...), extension(22), extension(23), extension(0xff01, 0)}
}

// extension is one extension with its header.
func extension(id uint16, data ...byte) []byte {
	header := binary.BigEndian.AppendUint16(nil, id)
	return append(binary.BigEndian.AppendUint16(header, uint16(len(data))), data...)
}

// listed is a list of extensions with its length.
func listed(extensions ...[]byte) []byte {
	list := bytes.Join(extensions, nil)
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(list))), list...)
}

// with is an honest ClientHello with another extension, or with another content of one that it has.
func with(id uint16, data ...byte) rawHello {
	extensions := slices.DeleteFunc(honestExtensions(), func(e []byte) bool { return binary.BigEndian.Uint16(e) == id })
	hello := honestHello()
	hello.extensions = listed(append(extensions, extension(id, data...))...)
	return hello
}

// changed is an honest ClientHello after a change.
func changed(change func(*rawHello)) rawHello {
	hello := honestHello()
	change(&hello)
	return hello
}

// message is the ClientHello with its header.
func (h rawHello) message() []byte {
	body := binary.BigEndian.AppendUint16(nil, h.version)
	body = append(body, bytes.Repeat([]byte{7}, 32)...)
	body = append(append(body, byte(len(h.session))), h.session...)
	body = append(binary.BigEndian.AppendUint16(body, uint16(len(h.suites))), h.suites...)
	body = append(append(body, byte(len(h.compressions))), h.compressions...)
	body = append(append(body, h.extensions...), h.trailing...)
	return append([]byte{1, byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body))}, body...)
}

// stream is the ClientHello in as few records as it fits in.
func (h rawHello) stream() []byte {
	stream := bytes.Clone(h.before)
	for piece := range slices.Chunk(h.message(), 1<<14) {
		stream = append(stream, rawRecordBytes(recordHandshake, h.recordVersion, piece)...)
	}
	return stream
}

// answered, in place of an alert, is a flight from ServerHello to ServerHelloDone.
const answered AlertError = 255

// A reply is what a server says to a stream of bytes.
type reply struct {
	alert  AlertError // answered if there was none, but a flight
	level  byte
	flight []byte // what came in handshake records
	err    error  // of the server's handshake, once the client has gone
}

// serverReply writes a stream to a server of ours and reads what comes back until it is an alert, or a whole flight, or the end.
func serverReply(t *testing.T, stream []byte) reply {
	t.Helper()
	client, server := tcpPipe(t)
	ended := make(chan error, 1)
	go func() {
		err := Server(server, serverConfig(testVerifier(t, smallGroup()))).HandshakeContext(t.Context())
		_ = server.(*net.TCPConn).CloseWrite() // Close would reset the connection, and the alert might be lost
		ended <- err
	}()
	if err := client.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Write(stream); err != nil {
		t.Fatal(err)
	}
	got := readReply(client)
	_ = client.Close()
	got.err = <-ended
	return got
}

func readReply(conn net.Conn) (got reply) {
	done := []byte{byte(typeServerHelloDone), 0, 0, 0}
	for records := (recordReader{src: conn}); ; {
		rec, err := records.next()
		switch {
		case err != nil:
			return got
		case rec.typ == recordAlert && len(rec.payload) == 2:
			got.level, got.alert = rec.payload[0], AlertError(rec.payload[1])
			return got
		case rec.typ == recordHandshake:
			got.flight = append(got.flight, rec.payload...)
		}
		if bytes.HasSuffix(got.flight, done) {
			got.alert = answered
			return got
		}
	}
}

// A replyTable says what a server answers to a ClientHello.
type replyTable map[string]helloCase

type helloCase struct {
	hello rawHello
	want  AlertError
}

// checkReplies plays each ClientHello to a server and wants the alert, or the answer, of the table.
func checkReplies(t *testing.T, table replyTable) {
	t.Helper()
	for name, tt := range table {
		t.Run(name, func(t *testing.T) { checkReply(t, serverReply(t, tt.hello.stream()), tt.want) })
	}
}

func checkReply(t *testing.T, got reply, want AlertError) {
	t.Helper()
	if got.alert != want || want != answered && (got.level != alertFatal || len(got.flight) > 0 || !errors.Is(got.err, want)) {
		t.Errorf("got level %d, %v, %d bytes of handshake, and %v; want %v", got.level, got.alert, len(got.flight), got.err, want)
	}
	if want != answered {
		return
	}
	var hello serverHelloMessage
	n := messageHeaderLen + int(got.flight[2])<<8 + int(got.flight[3])
	if err := hello.unmarshal(got.flight[messageHeaderLen:n]); err != nil {
		t.Fatal(err)
	}
	if hello.version != VersionTLS12 || hello.compression != 0 || len(hello.sessionID) != 0 || suiteByID(hello.cipherSuite) == nil ||
		!hello.extendedMasterSecret || !hello.encryptThenMAC || hello.serverName {
		t.Errorf("answered with %+v", hello)
	}
}

// test-invalid-version.py, test-version-numbers.py, test-legacy-version.py: a server of TLS 1.2 alone answers with that to whatever is
// higher, and with protocol_version to whatever is lower. Until it has answered, it does not care for the minor version of records.
func TestFuzzerVersions(t *testing.T) {
	table := replyTable{}
	for _, version := range []uint16{0x0000, 0x0002, 0x0100, 0x0200, 0x02ff, 0x0300, 0x0301, 0x0302} {
		table[fmt.Sprintf("hello %04x", version)] = helloCase{changed(func(h *rawHello) { h.version = version }), AlertProtocolVersion}
	}
	for _, version := range []uint16{0x0303, 0x0304, 0x0305, 0x03ff, 0x0400, 0x7f1c, 0xffff} {
		table[fmt.Sprintf("hello %04x", version)] = helloCase{changed(func(h *rawHello) { h.version = version }), answered}
	}
	for version, want := range map[uint16]AlertError{
		0x0300: answered, 0x0301: answered, 0x0303: answered, 0x0304: answered, 0x03ff: answered,
		0x0000: AlertProtocolVersion, 0x0200: AlertProtocolVersion, 0x02ff: AlertProtocolVersion, 0x0400: AlertProtocolVersion,
	} {
		table[fmt.Sprintf("record %04x", version)] = helloCase{changed(func(h *rawHello) { h.recordVersion = version }), want}
	}
	checkReplies(t, table)
}

// A ClientHello that is of TLS 1.3 alone has no suite for us, and one that has SRP beside it is one of TLS 1.2: a server that does not know
// supported_versions must not look at it (RFC 8446 §4.2.1 binds those who do). test-fallback-scsv.py: our highest version is no fallback.
func TestFuzzerTLS13(t *testing.T) {
	only := changed(func(h *rawHello) {
		h.suites, h.session = []byte{0x13, 0x01, 0x13, 0x02}, make([]byte, 32)
		h.extensions = listed(extension(43, 2, 3, 4), extension(10, 0, 2, 0, 29), extension(13, 0, 2, 8, 4))
	})
	checkReplies(t, replyTable{
		"TLS 1.3 alone":                  {only, AlertHandshakeFailure},
		"SRP and TLS 1.3":                {with(43, 4, 3, 4, 3, 3), answered},
		"SRP and no version":             {with(43, 0), answered},
		"TLS_FALLBACK_SCSV":              {changed(func(h *rawHello) { h.suites = append(h.suites, 0x56, 0x00) }), answered},
		"TLS_FALLBACK_SCSV from TLS 1.1": {changed(func(h *rawHello) { h.version, h.suites = 0x0302, []byte{0xc0, 0x20, 0x56, 0} }), AlertProtocolVersion},
	})
}

// test-empty-extensions.py, test-extensions.py, test-large-number-of-extensions.py, test-large-hello.py, test-lengths.py
func TestFuzzerExtensions(t *testing.T) {
	honest := honestExtensions()
	extensions := func(list []byte) rawHello { return changed(func(h *rawHello) { h.extensions = list }) }
	many := slices.Clone(honest)
	for id := uint16(1000); id < 11000; id++ {
		many = append(many, extension(id))
	}
	table := replyTable{
		"none":                       {extensions(nil), AlertUnknownPSKIdentity}, // RFC 5054 §2.5.1.2
		"empty list":                 {extensions(listed()), AlertUnknownPSKIdentity},
		"in reverse":                 {extensions(listed(honest[3], honest[2], honest[1], honest[0])), answered},
		"10000 unknown ones":         {extensions(listed(many...)), answered},
		"unknown one of 60000 bytes": {with(4711, make([]byte, 60000)...), answered},
		"unknown one twice":          {extensions(listed(append(honest, extension(4711), extension(4711))...)), AlertDecodeError},
		"half a length":              {extensions([]byte{0}), AlertDecodeError},
		"longer than the message":    {extensions([]byte{0xff, 0xff}), AlertDecodeError},
		"list ends in a header":      {extensions(listed(append(honest, []byte{0x12, 0x34, 0})...)), AlertDecodeError},
		"extension leaves the list":  {extensions(listed(append(honest, []byte{0x12, 0x34, 0, 1})...)), AlertDecodeError},
		"byte after the list":        {changed(func(h *rawHello) { h.trailing = []byte{0} }), AlertDecodeError},
		"hello longer than we take":  {changed(func(h *rawHello) { h.trailing = make([]byte, 1<<16) }), AlertDecodeError},
	}
	for _, known := range honest {
		name := fmt.Sprintf("%d twice", binary.BigEndian.Uint16(known))
		table[name] = helloCase{extensions(listed(append(honest, known)...)), AlertDecodeError}
	}
	checkReplies(t, table)
}

// test-extended-master-secret-extension.py, test-encrypt-then-mac.py, test-legacy-renegotiation.py, and the same for srp
func TestFuzzerExtensionContents(t *testing.T) {
	scsv := func(hello rawHello) rawHello {
		hello.suites = append(hello.suites, 0x00, 0xff)
		return hello
	}
	longest := append([]byte{255}, strings.Repeat("x", 255)...)
	checkReplies(t, replyTable{
		"EMS with content":                      {with(23, 0), AlertDecodeError},
		"EtM with content":                      {with(22, 0), AlertDecodeError},
		"renegotiation_info without content":    {with(0xff01), AlertDecodeError},
		"renegotiation_info too short":          {with(0xff01, 1), AlertDecodeError},
		"renegotiation_info too long":           {with(0xff01, 0, 0), AlertDecodeError},
		"renegotiation_info of a handshake":     {with(0xff01, append([]byte{12}, make([]byte, 12)...)...), AlertHandshakeFailure},
		"the same, and the SCSV":                {scsv(with(0xff01, 1, 0)), AlertHandshakeFailure},
		"renegotiation_info and the SCSV":       {scsv(honestHello()), answered},
		"srp without content":                   {with(12), AlertDecodeError},
		"srp with an empty name":                {with(12, 0), AlertDecodeError},
		"srp with a name that is not all there": {with(12, 2, 'a'), AlertDecodeError},
		"srp with a byte after the name":        {with(12, 1, 'a', 'b'), AlertDecodeError},
		"srp with the longest name":             {with(12, longest...), AlertUnknownPSKIdentity},
		"signature_algorithms without content":  {with(13), AlertDecodeError},
		"signature_algorithms, none":            {with(13, 0, 0), AlertDecodeError},
		"signature_algorithms, one and a half":  {with(13, 0, 3, 4, 1, 4), AlertDecodeError},
	})
}

// test-invalid-server-name-extension.py. The name is of no use in the pure suites, but what is malformed is malformed.
func TestFuzzerServerName(t *testing.T) {
	host := func(name string) []byte { return append([]byte{0, 0, byte(len(name))}, name...) }
	names := func(list ...[]byte) rawHello { return with(0, listed(list...)...) }
	checkReplies(t, replyTable{
		"a name":                          {names(host("box.example")), answered},
		"an address":                      {names(host("127.0.0.1")), answered},
		"a name of another type":          {names([]byte{9, 0, 1, 'x'}), answered},
		"a name, and one of another type": {names(host("box.example"), []byte{9, 0, 1, 'x'}), answered},
		"two names (RFC 6066 §3)":         {names(host("box.example"), host("other.example")), AlertDecodeError},
		"no content":                      {with(0), AlertDecodeError},
		"no name":                         {names(), AlertDecodeError},
		"an empty name":                   {names(host("")), AlertDecodeError},
		"a name that leaves the list":     {names([]byte{0, 0, 9, 'x'}), AlertDecodeError},
		"a list longer than its content":  {with(0, 0, 9, 0, 0, 1, 'x'), AlertDecodeError},
		"a byte after the list":           {with(0, 0, 4, 0, 0, 1, 'x', 0), AlertDecodeError},
	})
}

// test-invalid-session-id.py, test-invalid-cipher-suites.py, test-invalid-compression-methods.py, test-invalid-client-hello.py. A session
// that a client wants to resume, or a TLS 1.3 client's made-up one, is never echoed: that would mean that it is resumed.
func TestFuzzerHelloFields(t *testing.T) {
	session := func(n int) rawHello { return changed(func(h *rawHello) { h.session = make([]byte, n) }) }
	suites := func(list ...byte) rawHello { return changed(func(h *rawHello) { h.suites = list }) }
	compressions := func(list ...byte) rawHello { return changed(func(h *rawHello) { h.compressions = list }) }
	all := make([]byte, 0, 1<<17)
	for id := range 32000 {
		all = binary.BigEndian.AppendUint16(all, uint16(id))
	}
	checkReplies(t, replyTable{
		"session ID of 1 byte":       {session(1), answered},
		"session ID of 32 bytes":     {session(32), answered},
		"session ID of 33 bytes":     {session(33), AlertDecodeError},
		"session ID of 255 bytes":    {session(255), AlertDecodeError},
		"no suites":                  {suites(), AlertDecodeError},
		"a suite and a half":         {suites(0xc0, 0x20, 0xc0), AlertDecodeError},
		"reserved suites, then ours": {suites(0x0a, 0x0a, 0xfa, 0xfa, 0, 0, 0xc0, 0x20), answered},
		"32000 suites, then ours":    {suites(append(all, 0xc0, 0x20)...), answered},
		"our suite twice":            {suites(0xc0, 0x20, 0xc0, 0x20), answered},
		"NULL, anonymous, export":    {suites(0, 0, 0, 0x34, 0, 3), AlertHandshakeFailure},
		"3DES with SRP (c01a)":       {suites(0xc0, 0x1a), AlertHandshakeFailure},
		"DSS with SRP (c022)":        {suites(0xc0, 0x22), AlertHandshakeFailure},
		"no compressions":            {compressions(), AlertDecodeError},
		"deflate":                    {compressions(1), AlertIllegalParameter},
		"deflate, then null":         {compressions(1, 0), answered},
		"all but null":               {compressions(slices.Repeat([]byte{64}, 255)...), AlertIllegalParameter},
	})
}

// test-serverhello-random.py: neither the random nor B repeats itself, for the same bytes of the client.
func TestFuzzerServerRandom(t *testing.T) {
	seen := make(map[string]bool)
	for range 10 {
		flight := serverReply(t, honestHello().stream()).flight
		const hello = messageHeaderLen + 2
		for _, fresh := range []string{string(flight[hello : hello+randomLen]), string(flight[len(flight)-messageHeaderLen-16:])} {
			if seen[fresh] {
				t.Errorf("%x came twice", fresh)
			}
			seen[fresh] = true
		}
	}
}
