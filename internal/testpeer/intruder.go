package testpeer

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// TakeResource logs in as the full JID given, in the plainest way that there is, and stays there until the test ends: whoever was bound to
// that resource has to go. The channel is closed if the intruder has to go himself.
func (s *XMPPServer) TakeResource(t testing.TB, full, password string) <-chan struct{} {
	t.Helper()
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: readyTimeout}, "tcp", s.DirectAddr,
		&tls.Config{RootCAs: s.Roots, ServerName: s.Domain, NextProtos: []string{"xmpp-client"}})
	if err != nil {
		t.Fatalf("testpeer: taking %s: %v", full, err)
	}
	gone := make(chan struct{})
	reading := false
	t.Cleanup(func() {
		_ = conn.Close()
		if reading {
			<-gone
		}
	})
	_ = conn.SetDeadline(time.Now().Add(readyTimeout))
	in := bufio.NewReader(conn)
	for _, step := range s.taking(full, password) {
		if err := sayAndHear(conn, in, step.say, step.until); err != nil {
			t.Fatalf("testpeer: taking %s: waiting for %q: %v", full, step.until, err)
		}
	}
	_ = conn.SetDeadline(time.Time{})
	reading = true
	go func() {
		defer close(gone)
		_, _ = io.Copy(io.Discard, in) // to its end
	}()
	return gone
}

// exchange is something to say, and what comes at the end of the answer.
type exchange struct{ say, until string }

// taking is how one logs in as a full JID.
func (s *XMPPServer) taking(full, password string) []exchange {
	user, _, _ := strings.Cut(full, "@")
	_, resource, _ := strings.Cut(full, "/")
	const streams = "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"
	header := fmt.Sprintf("<stream:stream %s to='%s' version='1.0'>", streams, s.Domain)
	bind := "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>" + resource + "</resource></bind>"
	plain := base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + password))
	return []exchange{
		{header, "</stream:features>"},
		{"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + plain + "</auth>", "<success"},
		{header, "</stream:features>"},
		{"<iq type='set' id='take'>" + bind + "</iq>", full + "</jid>"},
	}
}

// sayAndHear writes something and reads up to what is awaited.
func sayAndHear(conn io.Writer, in *bufio.Reader, say, until string) error {
	if _, err := io.WriteString(conn, say); err != nil {
		return err
	}
	var heard strings.Builder
	for !strings.Contains(heard.String(), until) {
		b, err := in.ReadByte()
		if err != nil {
			return fmt.Errorf("%w after %q", err, heard.String())
		}
		heard.WriteByte(b)
	}
	return nil
}
