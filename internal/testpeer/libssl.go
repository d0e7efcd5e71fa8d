package testpeer

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
)

//go:embed libssl/srp.c
var libsslSource string

// LibSSLOptions says what the libssl peer does, as client and as server. The zero value of a field is the peer's
// default.
type LibSSLOptions struct {
	User     string
	Password string
	Suites   string // OpenSSL's cipher string; SRP-AES-256-CBC-SHA if empty
	Bits     int    // of the group of RFC 5054; a server offers it, 3072 if zero
	N, G     string // instead of Bits a group of the test's own, hexadecimal; a client then accepts no other
	Cert     *Certificate
	TLS13    bool // offer TLS 1.3 too
	NoEMS    bool // switch off Extended Master Secret
	NoEtM    bool // switch off Encrypt-then-MAC
	Count    int  // handshakes, one after another, each on a connection of its own; 1 if zero

	// Sizes are the bytes that each connection carries: for each size the client sends that many, then the server
	// sends them back. Then the client closes, and the server does.
	Sizes []int
}

// LibSSLResult is how one handshake of the libssl peer went, and the data after it.
type LibSSLResult struct {
	OK            bool   `json:"ok"`
	Failed        string `json:"failed"` // the step that failed: "handshake", "data" …
	Reason        string `json:"reason"` // libssl's words
	Version       string `json:"version"`
	Suite         string `json:"suite"`
	EMS           bool   `json:"ems"`
	AlertSent     int    `json:"alert_sent"`     // 0: none
	AlertReceived int    `json:"alert_received"` // 0: none
	A             string `json:"A"`              // as on the wire, hexadecimal
	B             string `json:"B"`
	Salt          string `json:"salt"`
}

// LibSSL is a running libssl peer.
type LibSSL struct {
	*Process
	lines *bufio.Scanner
}

// LibSSLServer starts it as a server and returns its address too.
func LibSSLServer(t testing.TB, opts LibSSLOptions) (*LibSSL, string) {
	t.Helper()
	peer := startLibSSL(t, "server", opts)
	var ready struct{ Port int }
	if err := peer.line(&ready); err != nil {
		t.Fatal(err)
	}
	return peer, loopbackAddr(ready.Port)
}

// LibSSLClient starts it as a client of addr.
func LibSSLClient(t testing.TB, addr string, opts LibSSLOptions) *LibSSL {
	t.Helper()
	return startLibSSL(t, "client", opts, "--port", portOf(t, addr))
}

func startLibSSL(t testing.TB, role string, opts LibSSLOptions, more ...string) *LibSSL {
	t.Helper()
	path := compile(t, "srp", libsslSource, "-lssl", "-lcrypto")
	args := append([]string{role, "--user", opts.User, "--password", opts.Password}, more...)
	p := Start(t, Spec{Path: path, Args: append(args, opts.args()...)})
	lines := bufio.NewScanner(p.Stdout())
	return &LibSSL{Process: p, lines: lines}
}

// args are the options that the peer is to be told.
func (o LibSSLOptions) args() []string {
	var args []string
	add := func(name, value string) {
		if value != "" {
			args = append(args, name, value)
		}
	}
	add("--suites", o.Suites)
	add("--N", o.N)
	add("--g", o.G)
	if o.Bits != 0 {
		add("--group", strconv.Itoa(o.Bits))
	}
	if o.Count != 0 {
		add("--count", strconv.Itoa(o.Count))
	}
	if o.Cert != nil {
		args = append(args, "--cert", o.Cert.CertFile, "--key", o.Cert.KeyFile)
	}
	for flag, set := range map[string]bool{"--tls13": o.TLS13, "--no-ems": o.NoEMS, "--no-etm": o.NoEtM} {
		if set {
			args = append(args, flag)
		}
	}
	sizes := make([]string, len(o.Sizes))
	for i, size := range o.Sizes {
		sizes[i] = strconv.Itoa(size)
	}
	add("--sizes", strings.Join(sizes, ","))
	return args
}

// Result waits for the next handshake to end and returns how it went.
func (l *LibSSL) Result(t testing.TB) LibSSLResult {
	t.Helper()
	var r LibSSLResult
	if err := l.line(&r); err != nil {
		t.Fatal(err)
	}
	return r
}

// line reads one line of JSON.
func (l *LibSSL) line(v any) error {
	if !l.lines.Scan() {
		return fmt.Errorf("testpeer: the libssl peer ended: %s", l.Output())
	}
	if err := json.Unmarshal(l.lines.Bytes(), v); err != nil {
		return fmt.Errorf("testpeer: a line of the libssl peer: %w: %s", err, l.lines.Bytes())
	}
	return nil
}
