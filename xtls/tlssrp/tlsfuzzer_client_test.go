package tlssrp

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"
)

// tlsfuzzer tests servers; these are its ideas turned round, against our client: odd forms of ServerHello, written by hand.

// A rawServerHello is what a server of ours sent, in pieces.
type rawServerHello struct {
	version, suite uint16
	session        []byte
	compression    byte
	extensions     []byte // with the length before them; none at all if empty
}

// changeRaw replaces the ServerHello; the random stays.
func changeRaw(change func(*rawServerHello)) edit {
	return func(i int, u unit) []unit {
		if i != 0 {
			return []unit{u}
		}
		body := u.raw[messageHeaderLen:]
		const fixed = 2 + randomLen
		hello := rawServerHello{
			version: binary.BigEndian.Uint16(body), suite: binary.BigEndian.Uint16(body[fixed+1:]), // our server sends no session ID
			compression: body[fixed+3], extensions: body[fixed+4:],
		}
		change(&hello)
		changed := append(binary.BigEndian.AppendUint16(nil, hello.version), body[2:fixed]...)
		changed = append(append(changed, byte(len(hello.session))), hello.session...)
		changed = append(binary.BigEndian.AppendUint16(changed, hello.suite), hello.compression)
		changed = append(changed, hello.extensions...)
		header := []byte{byte(typeServerHello), 0, byte(len(changed) >> 8), byte(len(changed))}
		return []unit{handshakeUnit(append(header, changed...))}
	}
}

// serverExtensions is an edit of the extensions in ServerHello alone.
func serverExtensions(list []byte) edit {
	return changeRaw(func(h *rawServerHello) { h.extensions = list })
}

// test-extensions.py, test-empty-extensions.py, test-extended-master-secret-extension.py, test-encrypt-then-mac.py,
// test-legacy-renegotiation.py, test-invalid-session-id.py, test-invalid-version.py
func TestFuzzerServerHello(t *testing.T) {
	client, server := clientOf(smallClientConfig()), serverOf(serverConfig(testVerifier(t, smallGroup())))
	etm, ems, info := extension(22), extension(23), extension(0xff01, 0)
	with := func(more ...[]byte) edit {
		return serverExtensions(listed(append([][]byte{etm, ems, info}, more...)...))
	}
	session := func(n int) edit { return changeRaw(func(h *rawServerHello) { h.session = make([]byte, n) }) }
	version := func(v uint16) edit { return changeRaw(func(h *rawServerHello) { h.version = v }) }
	for name, tt := range map[string]struct {
		edited edit
		want   AlertError // answered if the client goes on
	}{
		"as it was":             {changeRaw(func(*rawServerHello) {}), answered},
		"extensions in reverse": {serverExtensions(listed(info, ems, etm)), answered},
		"a session ID":          {session(32), answered}, // it means nothing to us, RFC 5246 §7.4.1.3
		"a long session ID":     {session(33), AlertDecodeError},

		"no extensions":                    {serverExtensions(nil), AlertHandshakeFailure},
		"an empty list of extensions":      {serverExtensions(listed()), AlertHandshakeFailure},
		"half a length":                    {serverExtensions([]byte{0}), AlertDecodeError},
		"longer than the message":          {serverExtensions([]byte{0xff, 0xff}), AlertDecodeError},
		"list ends in a header":            {with([]byte{0x12, 0x34, 0}), AlertDecodeError},
		"extension leaves the list":        {with([]byte{0x12, 0x34, 0, 1}), AlertDecodeError},
		"EMS twice":                        {with(ems), AlertDecodeError},
		"EtM twice":                        {with(etm), AlertDecodeError},
		"renegotiation_info twice":         {with(info), AlertDecodeError},
		"EMS with content":                 {serverExtensions(listed(etm, extension(23, 0), info)), AlertDecodeError},
		"EtM with content":                 {serverExtensions(listed(extension(22, 0), ems, info)), AlertDecodeError},
		"renegotiation_info, no content":   {serverExtensions(listed(etm, ems, extension(0xff01))), AlertDecodeError},
		"renegotiation_info, too short":    {serverExtensions(listed(etm, ems, extension(0xff01, 1))), AlertDecodeError},
		"renegotiation_info of some other": {serverExtensions(listed(etm, ems, extension(0xff01, 1, 0))), AlertHandshakeFailure},
		"server_name with content":         {with(extension(0, 0)), AlertDecodeError},
		"an unknown extension":             {with(extension(4711)), AlertUnsupportedExtension},
		"60000 bytes of an unknown one":    {with(extension(4711, make([]byte, 60000)...)), AlertUnsupportedExtension},
		"ALPN (test-alpn-negotiation)":     {with(extension(16, 0, 3, 2, 'h', '2')), AlertUnsupportedExtension},
		"heartbeat (test-no-heartbeat)":    {with(extension(15, 1)), AlertUnsupportedExtension},
		"max_fragment_length":              {with(extension(1, 1)), AlertUnsupportedExtension},
		"record_size_limit":                {with(extension(28, 0, 64)), AlertUnsupportedExtension},

		"version SSL 2": {version(0x0200), AlertProtocolVersion},
		"version SSL 3": {version(0x0300), AlertProtocolVersion},
		"version 3.255": {version(0x03ff), AlertProtocolVersion},
		"version 0":     {version(0), AlertProtocolVersion},
		"suite NULL":    {changeRaw(func(h *rawServerHello) { h.suite = 0 }), AlertIllegalParameter},
		"suite SCSV":    {changeRaw(func(h *rawServerHello) { h.suite = 0x00ff }), AlertIllegalParameter},
		"compression":   {changeRaw(func(h *rawServerHello) { h.compression = 255 }), AlertIllegalParameter},
	} {
		t.Run(name, func(t *testing.T) { checkClientGotTo(t, play(t, client, server, pieces(tt.edited)), tt.want) })
	}
}

// checkClientGotTo wants the client's alert, or that it accepted the ServerHello. Then, if its bytes were changed, the transcripts differ, and the
// server takes the client's proof for a bad one.
func checkClientGotTo(t *testing.T, out outcome, want AlertError) {
	t.Helper()
	if want != answered {
		checkAlert(t, out, want)
		return
	}
	if !out.victim.ConnectionState().HandshakeComplete && !errors.Is(out.err, ErrBadPassword) {
		t.Errorf("got %v", out.err)
	}
}

// pieces cuts what an edit makes into records that are not too long.
func pieces(edited edit) edit {
	return func(i int, u unit) []unit {
		var cut []unit
		for _, instead := range edited(i, u) {
			for piece := range slices.Chunk(instead.raw, maxPlaintext) {
				cut = append(cut, unit{instead.record, piece, instead.protected})
			}
		}
		return cut
	}
}
