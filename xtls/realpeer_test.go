package xtls_test

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"xtls-agent/internal/testpeer"
	"xtls-agent/trust"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/linktest"
	"xtls-agent/xtls"
	"xtls-agent/xtls/jingle"
)

// inFiles returns an identity's certificate and key as PEM files.
func inFiles(t *testing.T, id *trust.Identity) (cert, key string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(id.Certificate.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: id.DER()}, key: {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// join copies both ways until one side ends.
func join(a, b io.ReadWriteCloser) {
	var both sync.WaitGroup
	for _, way := range [][2]io.ReadWriteCloser{{a, b}, {b, a}} {
		both.Go(func() {
			_, _ = io.Copy(way[0], way[1])
			_ = a.Close()
			_ = b.Close()
		})
	}
	both.Wait()
}

// atThePort listens for a TLS client, and puts each connection of its into a session of the rogue's with the device.
func (r *rogue) atThePort() (addr string) {
	r.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			join(conn, r.transportFor("x509"))
		}
	})
	r.t.Cleanup(func() {
		_ = l.Close()
		served.Wait()
	})
	return l.Addr().String()
}

// resumingDevice returns a device that gives tickets, and a rogue that is its owner's client.
func resumingDevice(t *testing.T) (*side, *rogue) {
	t.Helper()
	router := linktest.NewRouter()
	echoing := func(_ context.Context, c *xtls.Conn) { _, _ = io.Copy(c, c) }
	device := newSideOn(t, router.Connect(boxJID), nil, echoing, new(xtls.Tickets))
	r := newRogue(t, router, ownerJID)
	device.pins.add(romeo.Bare().String(), r.id.DER())
	return device, r
}

// resumedIn waits for a session that the device has served, and says whether it was resumed.
func (s *side) resumedIn(t *testing.T) bool {
	t.Helper()
	select {
	case c := <-s.conns:
		return c.Resumed
	case <-time.After(patience):
		t.Fatal("the device serves nobody")
		return false
	}
}

// says waits until a peer has said something.
func says(t *testing.T, p *testpeer.Process, text string) {
	t.Helper()
	for end := time.Now().Add(patience); !strings.Contains(p.Output(), text); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the peer did not say %q", text)
		}
	}
}

// An owner's client on OpenSSL resumes from a file, once. The device's tickets allow no early data.
func TestOpenSSLResumes(t *testing.T) {
	device, r := resumingDevice(t)
	addr := r.atThePort()
	cert, key := inFiles(t, r.id)
	file := filepath.Join(t.TempDir(), "session")
	visit := func(args ...string) *testpeer.Process {
		p := testpeer.Start(t, testpeer.Spec{Path: "openssl", Args: append([]string{
			"s_client", "-connect", addr, "-tls1_3", "-cert", cert, "-key", key, "-noservername", "-ign_eof"}, args...)})
		_, _ = io.WriteString(p.Stdin, "are you there\n")
		says(t, p, "\nare you there\n")
		if err := p.Signal(os.Interrupt); err != nil {
			t.Error(err)
		}
		<-p.Done()
		r.next(jingle.SessionTerminate)
		return p
	}
	first := visit("-sess_out", file)
	if device.resumedIn(t) || strings.Contains(first.Output(), "Reused, TLSv1.3") {
		t.Error("the first session was resumed")
	}
	ticket := testpeer.Start(t, testpeer.Spec{Path: "openssl", Args: []string{"sess_id", "-in", file, "-noout", "-text"}})
	says(t, ticket, "Max Early Data: 0\n")
	again := visit("-sess_in", file)
	if !device.resumedIn(t) || !strings.Contains(again.Output(), "Reused, TLSv1.3") {
		t.Error("the second session was not resumed")
	}
	once := visit("-sess_in", file)
	if device.resumedIn(t) || strings.Contains(once.Output(), "Reused, TLSv1.3") {
		t.Error("a ticket was taken twice")
	}
}

// The same with GnuTLS, which resumes within one run.
func TestGnuTLSResumes(t *testing.T) {
	device, r := resumingDevice(t)
	_, port, _ := net.SplitHostPort(r.atThePort())
	cert, key := inFiles(t, r.id)
	p := testpeer.Start(t, testpeer.Spec{Path: "gnutls-cli", Args: []string{
		"-p", port, "127.0.0.1", "--insecure", "--disable-sni", "--resume", "--waitresumption", "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.3",
		"--x509certfile", cert, "--x509keyfile", key}})
	if device.resumedIn(t) {
		t.Error("the first session was resumed")
	}
	r.next(jingle.SessionTerminate)
	if !device.resumedIn(t) {
		t.Error("the second session was not resumed")
	}
	says(t, p, "*** This is a resumed session")
	_, _ = io.WriteString(p.Stdin, "are you there\n")
	says(t, p, "\nare you there\n")
}

// resumingOwner returns an owner that keeps tickets, and a rogue in the place of its device.
func resumingOwner(t *testing.T) (*side, *rogue) {
	t.Helper()
	router := linktest.NewRouter()
	var link xmpp.Link = router.Connect(ownerJID)
	owner := newSideOn(t, link, nil, func(context.Context, *xtls.Conn) {}, new(xtls.Tickets))
	r := newRogue(t, router, boxJID)
	owner.pins.add(box.Bare().String(), r.id.DER())
	return owner, r
}

// A device on OpenSSL, whose tickets hold all that it wants to know: the owner resumes with each of them once.
func TestOwnerResumesAtOpenSSL(t *testing.T) {
	owner, r := resumingOwner(t)
	cert, key := inFiles(t, r.id)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	p := testpeer.Start(t, testpeer.Spec{Path: "openssl", Args: []string{
		"s_server", "-accept", addr, "-tls1_3", "-cert", cert, "-key", key, "-Verify", "1", "-rev", "-num_tickets", "1", "-verify_quiet"}})
	p.WaitListening(t, addr)
	for i := range 3 {
		done := owner.opens(t, "")
		transport := r.takes(secured(sha256Of(r.id), "x509"))
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		var joined sync.WaitGroup
		joined.Go(func() { join(conn, transport) })
		o := r.result(done)
		if o.err != nil {
			t.Fatal(o.err)
		}
		if _, err := io.WriteString(o.conn, "abc\n"); err != nil {
			t.Fatal(err)
		}
		if got := make([]byte, 4); true {
			if _, err := io.ReadFull(o.conn, got); err != nil || string(got) != "cba\n" {
				t.Fatalf("%q, %v", got, err)
			}
		}
		if o.conn.Resumed != (i > 0) {
			t.Errorf("session %d: resumed: %v", i, o.conn.Resumed)
		}
		_ = o.conn.Close()
		r.next(jingle.SessionTerminate)
		joined.Wait()
	}
}
