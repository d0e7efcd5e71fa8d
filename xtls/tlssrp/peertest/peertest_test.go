// Package peertest holds tlssrp against TLS stacks that nobody here wrote: GnuTLS's command line both ways, libssl and
// BouncyCastle both ways, curl as a client. It has tests only.
//
// Each row of the table (a suite, a group) is tried with each peer: data both ways, a wrong password, an unknown user,
// a peer without Extended Master Secret or Encrypt-then-MAC, and one that would rather not do SRP. `make peers`
// installs the peers.
package peertest

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"xtls-agent/xtls/tlssrp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	user          = "owner@home.example"
	password      = "12345678"
	wrongPassword = "12345679"
	stranger      = "stranger@home.example"
)

// patience ends a connection that hangs. Handshakes take milliseconds; a loaded machine takes more.
const patience = 30 * time.Second

// sizes is what each connection carries both ways: less than a block, just more than a record, many records.
var sizes = []int{1, 16<<10 + 1, 1 << 20}

// A suite in the words of each peer.
type suite struct {
	id     uint16
	libssl string
	gnutls string // key exchange and cipher of a priority string
	rsa    bool
}

func (s suite) name() string { return s.libssl }

var suites = []suite{
	{tlssrp.TLS_SRP_SHA_WITH_AES_256_CBC_SHA, "SRP-AES-256-CBC-SHA", "+SRP:-CIPHER-ALL:+AES-256-CBC", false},
	{tlssrp.TLS_SRP_SHA_WITH_AES_128_CBC_SHA, "SRP-AES-128-CBC-SHA", "+SRP:-CIPHER-ALL:+AES-128-CBC", false},
	{tlssrp.TLS_SRP_SHA_RSA_WITH_AES_256_CBC_SHA, "SRP-RSA-AES-256-CBC-SHA", "+SRP-RSA:-CIPHER-ALL:+AES-256-CBC", true},
	{tlssrp.TLS_SRP_SHA_RSA_WITH_AES_128_CBC_SHA, "SRP-RSA-AES-128-CBC-SHA", "+SRP-RSA:-CIPHER-ALL:+AES-128-CBC", true},
}

// row is one line of the table.
type row struct {
	suite
	bits int
}

func (r row) String() string { return fmt.Sprintf("%s/%d", r.name(), r.bits) }

func (r row) group() *tlssrp.Group {
	switch r.bits {
	case 2048:
		return tlssrp.Group2048()
	case 3072:
		return tlssrp.Group3072()
	case 4096:
		return tlssrp.Group4096()
	}
	panic(fmt.Sprintf("no group of %d bits", r.bits))
}

// rows is the whole table.
func rows() []row {
	var all []row
	for _, s := range suites {
		for _, bits := range []int{2048, 3072, 4096} {
			all = append(all, row{s, bits})
		}
	}
	return all
}

// manner is how a peer differs from one that does TLS 1.2 with SRP, EMS and EtM, and that alone. GnuTLS has no TLS 1.3
// while SRP is on, however one asks; from libssl and curl one gets both.
type manner struct {
	noEMS, noEtM bool
	alsoOthers   bool // it has TLS 1.3 (GnuTLS: only 1.2) and suites without SRP on, and a certificate for them
}

// refusals are the manners that end a handshake, and the word for it that the error must hold.
var refusals = []struct {
	name   string
	manner manner
	says   string
}{
	{"without EMS", manner{noEMS: true}, "extended master secret"},
	{"without EtM", manner{noEtM: true}, "encrypt-then-mac"},
}

// checkRefusal wants an error of ours that names what is missing.
func checkRefusal(t *testing.T, err error, says string) {
	t.Helper()
	if err == nil || !strings.Contains(strings.ToLower(err.Error()), says) {
		t.Errorf("handshake: %v, want an error that says %q", err, says)
	}
	if !errors.Is(err, tlssrp.AlertHandshakeFailure) {
		t.Errorf("handshake: %v, want alert handshake_failure", err)
	}
	if errors.Is(err, tlssrp.ErrBadPassword) {
		t.Errorf("handshake: %v, looks like a wrong password", err)
	}
}

// checkState wants the row, SRP and TLS 1.2, whatever else the peer had to offer.
func checkState(t *testing.T, r row, state tlssrp.ConnectionState) {
	t.Helper()
	if !state.HandshakeComplete || state.Version != tlssrp.VersionTLS12 || state.CipherSuite != r.id {
		t.Errorf("negotiated version %04x, suite %04x, want %04x, %04x", state.Version, state.CipherSuite, tlssrp.VersionTLS12, r.id)
	}
	if !state.Group.Equal(r.group()) {
		t.Errorf("group %v, want %d bits", state.Group, r.bits)
	}
	if state.Username != user {
		t.Errorf("user name %q, want %q", state.Username, user)
	}
}

// payload is text that does not repeat and ends a line: gnutls-serv echoes whole lines.
func payload(size int) []byte {
	random := make([]byte, size/2+1)
	_, _ = rand.NewChaCha8([32]byte([]byte("the same bytes for the same size"))).Read(random)
	text := hex.AppendEncode(nil, random)[:size]
	text[size-1] = '\n'
	return text
}

// handshake runs a handshake on conn, whose transport ends it when patience is over.
func handshake(ctx context.Context, conn *tlssrp.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	return conn.HandshakeContext(ctx)
}

// dial opens a TCP connection that ends with the test.
func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}
