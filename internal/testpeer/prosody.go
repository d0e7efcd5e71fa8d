package testpeer

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

//go:embed prosody.cfg.lua
var prosodyConfig string

// Prosody starts a Prosody 13 that takes clients with STARTTLS and direct TLS, with all that this module may use of it.
func Prosody(t testing.TB, opts XMPPOptions) *XMPPServer {
	t.Helper()
	return newXMPPServer(t, opts, func(s *XMPPServer, cert *Certificate) backend {
		p := &prosody{dir: t.TempDir(), addrs: []string{s.Addr, s.DirectAddr}}
		if err := os.Mkdir(filepath.Join(p.dir, "data"), 0o700); err != nil {
			t.Fatalf("testpeer: %v", err)
		}
		writeConfig(t, p.config(), prosodyConfig, map[string]any{
			"Dir": p.dir, "Domain": s.Domain, "Root": os.Getuid() == 0, "StockLimits": opts.StockLimits, "Plain": opts.Plain,
			"Modules": opts.Modules, "Without": opts.Without, "ModulePath": opts.ModulePath, "Settings": opts.Settings, "Debug": opts.Debug,
			"Hibernation": seconds(opts.Hibernation, hibernation),
			"Port":        portOf(t, s.Addr), "DirectPort": portOf(t, s.DirectAddr),
			"FederationPort": federationPort(t, s, opts), "DNS": dnsPort(t, opts),
			"CertFile": cert.CertFile, "KeyFile": cert.KeyFile, "CAFile": s.CAFile,
		})
		return p
	})
}

// federationPort is the port for other servers, or empty.
func federationPort(t testing.TB, s *XMPPServer, opts XMPPOptions) string {
	t.Helper()
	if opts.DNS == nil {
		return ""
	}
	return portOf(t, s.federationAddr)
}

// dnsPort is the port of the name server, or empty.
func dnsPort(t testing.TB, opts XMPPOptions) string {
	t.Helper()
	if opts.DNS == nil {
		return ""
	}
	return portOf(t, opts.DNS.Addr)
}

type prosody struct {
	dir   string
	addrs []string
}

func (p *prosody) config() string { return filepath.Join(p.dir, "prosody.cfg.lua") }

func (p *prosody) start(t testing.TB) (*Process, error) {
	t.Helper()
	process := Start(t, Spec{Path: "prosody", Args: []string{"--config", p.config(), "-F"}, Grace: startGrace})
	for _, addr := range p.addrs {
		if err := process.waitListening(addr); err != nil {
			return nil, err
		}
	}
	if strings.Contains(process.Output(), "already in use") { // it goes on without the port
		process.stop(0)
		return nil, fmt.Errorf("testpeer: a port of prosody was taken by somebody else")
	}
	return process, nil
}

// Crowd makes n accounts with one password, at once: it copies what Prosody has stored for the first, which does not depend
// on the name. It returns their bare JIDs.
func (s *XMPPServer) Crowd(t testing.TB, n int) (jids []string, password string) {
	t.Helper()
	p, ok := s.backend.(*prosody)
	if !ok {
		t.Fatal("testpeer: only a Prosody takes a crowd")
	}
	_, password = s.Account(t, "crowd")
	first, err := os.ReadFile(p.account(s.Domain, "crowd"))
	if err != nil {
		t.Fatalf("testpeer: %v", err)
	}
	for i := range n {
		user := fmt.Sprintf("crowd%d", i)
		if err := os.WriteFile(p.account(s.Domain, user), first, 0o640); err != nil {
			t.Fatalf("testpeer: %v", err)
		}
		jids = append(jids, user+"@"+s.Domain)
	}
	return jids, password
}

// Unregister removes an account from a Prosody's storage, behind its back: streams that are there stay.
func (s *XMPPServer) Unregister(t testing.TB, user string) {
	t.Helper()
	p, ok := s.backend.(*prosody)
	if !ok {
		t.Fatal("testpeer: only a Prosody forgets an account")
	}
	if err := os.Remove(p.account(s.Domain, user)); err != nil {
		t.Fatalf("testpeer: %v", err)
	}
}

// account is the file in which Prosody stores an account.
func (p *prosody) account(domain, user string) string { return p.stored(domain, "accounts", user) }

func (p *prosody) register(t testing.TB, s *XMPPServer, user, password string) {
	t.Helper()
	prosodyctl := lookPath(t, "prosodyctl")
	out, err := exec.Command(prosodyctl, "--config", p.config(), "register", user, s.Domain, password).CombinedOutput()
	if err != nil {
		t.Fatalf("testpeer: prosodyctl register %s: %v\n%s", user, err, out)
	}
}
