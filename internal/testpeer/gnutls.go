package testpeer

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Pieces of GnuTLS priority strings.
const (
	// GnuTLSOnlySRP offers TLS 1.2 with the SRP key exchanges and nothing else.
	GnuTLSOnlySRP = "NORMAL:-KX-ALL:+SRP:+SRP-RSA:-VERS-ALL:+VERS-TLS1.2"
	// GnuTLSAlsoSRP offers SRP beside TLS 1.3 and all that GnuTLS has on by default.
	GnuTLSAlsoSRP = "NORMAL:+SRP:+SRP-RSA"
	// GnuTLSNoEMS and GnuTLSNoEtM, appended, switch off Extended Master Secret and Encrypt-then-MAC.
	GnuTLSNoEMS = ":%NO_SESSION_HASH"
	GnuTLSNoEtM = ":%NO_ETM"
)

//go:embed loopback/loopback.c
var loopbackSource string

// GnuTLSServOptions says what a gnutls-serv serves.
type GnuTLSServOptions struct {
	Bits     int // of the group: 1536, 2048, 3072 or 4096
	User     string
	Password string
	Priority string // GnuTLSOnlySRP if empty
	Cert     *Certificate

	// FakeSalt makes it go on with a made-up salt for a user that it does not know (RFC 5054 §2.5.1.3).
	// Without it such a user gets alert 80.
	FakeSalt bool
}

// GnuTLSServ starts `gnutls-serv --echo`: it sends back at once whatever a client sends, but a CR LF comes back as
// LF. It returns its address.
func GnuTLSServ(t testing.TB, opts GnuTLSServOptions) string {
	t.Helper()
	passwd, conf := srpFiles(t, opts)
	args := []string{"--echo", "--quiet", "--disable-client-cert", "--noticket", "--nodb",
		"--srppasswd", passwd, "--srppasswdconf", conf, "--priority", orDefault(opts.Priority, GnuTLSOnlySRP)}
	if opts.Cert != nil {
		args = append(args, "--x509certfile", opts.Cert.CertFile, "--x509keyfile", opts.Cert.KeyFile)
	}
	preload := compile(t, "loopback.so", loopbackSource, "-shared", "-fPIC", "-ldl")

	// gnutls-serv wants to be told its port, and another process may be quicker to take it.
	var err error
	for range 5 {
		port := FreePort(t)
		p := Start(t, Spec{
			Path: "gnutls-serv",
			Args: append([]string{"-p", fmt.Sprint(port)}, args...),
			Env:  []string{"LD_PRELOAD=" + preload},
		})
		if err = p.waitListening(loopbackAddr(port)); err == nil {
			return loopbackAddr(port)
		}
	}
	t.Fatal(err)
	return ""
}

// srpFiles makes GnuTLS's password file for the one user, with GnuTLS's own tool, and the file of groups.
func srpFiles(t testing.TB, opts GnuTLSServOptions) (passwd, conf string) {
	t.Helper()
	index, ok := map[int]string{1536: "2", 2048: "3", 3072: "4", 4096: "5"}[opts.Bits]
	if !ok {
		t.Fatalf("testpeer: srptool has no group of %d bits", opts.Bits)
	}
	dir := t.TempDir()
	passwd, conf = filepath.Join(dir, "tpasswd"), filepath.Join(dir, "tpasswd.conf")
	srptool := lookPath(t, "srptool")
	if out, err := exec.Command(srptool, "--create-conf", conf).CombinedOutput(); err != nil {
		t.Fatalf("testpeer: srptool --create-conf: %v\n%s", err, out)
	}
	add := exec.Command(srptool, "--passwd", passwd, "--passwd-conf", conf, "--index", index, "--username", opts.User)
	add.Stdin = strings.NewReader(opts.Password + "\n")
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("testpeer: srptool --username: %v\n%s", err, out)
	}
	if opts.FakeSalt {
		addFakeGroup(t, conf, index)
	}
	return passwd, conf
}

// addFakeGroup repeats the group's line under index 1, where GnuTLS looks for the group of unknown users.
func addFakeGroup(t testing.TB, conf, index string) {
	t.Helper()
	lines, err := os.ReadFile(conf)
	if err != nil {
		t.Fatalf("testpeer: %v", err)
	}
	for line := range bytes.Lines(lines) {
		if group, ok := bytes.CutPrefix(line, []byte(index+":")); ok {
			lines = append(lines, append([]byte("1:"), group...)...)
			break
		}
	}
	if err := os.WriteFile(conf, lines, 0o600); err != nil {
		t.Fatalf("testpeer: %v", err)
	}
}

// GnuTLSCliOptions says how a gnutls-cli connects.
type GnuTLSCliOptions struct {
	User     string
	Password string
	Priority string // GnuTLSOnlySRP if empty

	Rehandshake bool // renegotiate as soon as the handshake is complete
}

// GnuTLSCli connects gnutls-cli to addr. What is written to its Stdin reaches the server, and what the server sends
// can be read from Stdout, with nothing else in between. It exits with 1 if the handshake fails. When Stdin is
// closed it leaves at once, whatever the server still has to say.
func GnuTLSCli(t testing.TB, addr string, opts GnuTLSCliOptions) *Process {
	t.Helper()
	log := filepath.Join(t.TempDir(), "gnutls-cli.log")
	t.Cleanup(func() {
		if said, err := os.ReadFile(log); err == nil && t.Failed() {
			t.Logf("gnutls-cli logged:\n%s", said)
		}
	})
	args := []string{
		"-p", portOf(t, addr), "127.0.0.1", "--insecure", "--disable-sni", "--logfile", log,
		"--priority", orDefault(opts.Priority, GnuTLSOnlySRP),
		"--srpusername", opts.User, "--srppasswd", opts.Password,
	}
	if opts.Rehandshake {
		args = append(args, "--rehandshake")
	}
	return Start(t, Spec{Path: "gnutls-cli", Args: args})
}

func orDefault(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}
