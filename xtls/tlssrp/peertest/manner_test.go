package peertest

import (
	"encoding/binary"
	"net"
	"slices"
	"testing"

	"golang.org/x/crypto/cryptobyte"

	"xtls-agent/internal/testpeer"
)

// gnutlsPriority is the row and the manner in GnuTLS's words.
func gnutlsPriority(r row, m manner) string {
	priority := "NORMAL:-KX-ALL:" + r.gnutls + ":-VERS-ALL:+VERS-TLS1.2"
	if m.alsoOthers {
		priority = testpeer.GnuTLSAlsoSRP
	}
	if m.noEMS {
		priority += testpeer.GnuTLSNoEMS
	}
	if m.noEtM {
		priority += testpeer.GnuTLSNoEtM
	}
	return priority
}

// libsslOptions is the row and the manner for the libssl peer, client or server, with the right password.
func libsslOptions(r row, m manner) testpeer.LibSSLOptions {
	opts := testpeer.LibSSLOptions{
		User: user, Password: password, Suites: r.libssl, Bits: r.bits, Sizes: sizes, NoEMS: m.noEMS, NoEtM: m.noEtM,
	}
	if m.alsoOthers {
		opts.Suites, opts.TLS13 = "ALL", true
	}
	return opts
}

// recordingConn keeps the first record that is read.
type recordingConn struct {
	net.Conn
	first []byte
}

func (c *recordingConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if len(c.first) < 5 || len(c.first) < 5+int(binary.BigEndian.Uint16(c.first[3:])) {
		c.first = append(c.first, b[:n]...)
	}
	return n, err
}

// checkOffersOthers shows that the trap is open: that a ClientHello, in its record, offers the version (by
// supported_versions, RFC 8446 §4.2.1, or by its own) and more suites than those of SRP.
func checkOffersOthers(t *testing.T, record []byte, version uint16) {
	t.Helper()
	const supportedVersions, firstSRP, lastSRP = 43, 0xC01A, 0xC022
	var own uint16
	var session, suites, compression, extensions cryptobyte.String
	s := cryptobyte.String(record)
	if !s.Skip(5+4) || !s.ReadUint16(&own) || !s.Skip(32) || !s.ReadUint8LengthPrefixed(&session) ||
		!s.ReadUint16LengthPrefixed(&suites) || !s.ReadUint8LengthPrefixed(&compression) ||
		!s.ReadUint16LengthPrefixed(&extensions) {
		t.Fatal("control: cannot read the ClientHello")
	}
	versions := []uint16{own}
	for !extensions.Empty() {
		var kind uint16
		var body, list cryptobyte.String
		if !extensions.ReadUint16(&kind) || !extensions.ReadUint16LengthPrefixed(&body) {
			t.Fatal("control: cannot read the ClientHello's extensions")
		}
		if kind == supportedVersions && body.ReadUint8LengthPrefixed(&list) {
			versions = append(versions, numbers(list)...)
		}
	}
	if !slices.Contains(versions, version) {
		t.Errorf("control: the client offers versions %04x, want %04x among them", versions, version)
	}
	// The last two are the signalling values of RFC 5746 and RFC 7507.
	notSRP := func(id uint16) bool { return (id < firstSRP || id > lastSRP) && id != 0x00FF && id != 0x5600 }
	if !slices.ContainsFunc(numbers(suites), notSRP) {
		t.Error("control: the client offers no suite without SRP")
	}
}

// numbers reads a list of uint16.
func numbers(s cryptobyte.String) []uint16 {
	var all []uint16
	for n := uint16(0); s.ReadUint16(&n); {
		all = append(all, n)
	}
	return all
}
