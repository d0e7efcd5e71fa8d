package stream_test

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp/stream"
)

// DESIGN §3: the header must carry from and to, and they must be the bare JIDs of the session; it is what stops a
// server from cross-connecting two devices.
func TestStrictHeader(t *testing.T) {
	other := jid.MustParse("other@home.test")
	full := jid.MustParse("owner@home.test/x")
	for name, c := range map[string]struct {
		from, to jid.JID // what the client writes
		attr     string
	}{
		"other from":  {other, device, "from"},
		"other to":    {owner, other, "to"},
		"no from":     {jid.JID{}, device, "from"},
		"no to":       {owner, jid.JID{}, "to"},
		"full from":   {full, device, "from"},
		"cross-wired": {device, owner, "from"},
	} {
		t.Run("server/"+name, func(t *testing.T) {
			a, b := net.Pipe()
			answer := talk(a, header(c.from, c.to))
			_, err := stream.Server(t.Context(), b, deviceConfig())
			_ = b.Close()
			wantHeaderError(t, err, c.attr)
			// The answering header proves that the responder agrees, so it must not leave.
			if said := <-answer; said != "" {
				t.Errorf("a peer with a wrong header was told %q", said)
			}
		})
		t.Run("client/"+name, func(t *testing.T) {
			a, b := net.Pipe()
			said := talk(b, header(swap(c.from), swap(c.to)))
			_, err := stream.Client(t.Context(), a, ownerConfig())
			_ = a.Close()
			wantHeaderError(t, err, c.attr)
			if said := <-said; strings.Count(said, "<") != 2 { // the declaration and the header
				t.Errorf("a peer with a wrong header was told %q", said)
			}
		})
	}
}

// swap turns the addresses of a test case round, for the other direction.
func swap(j jid.JID) jid.JID {
	bare := j.Bare()
	switch {
	case bare.Equal(owner):
		j, _ = device.WithResource(j.Resourcepart())
	case bare.Equal(device):
		j, _ = owner.WithResource(j.Resourcepart())
	}
	return j
}

func wantHeaderError(t *testing.T, err error, attr string) {
	t.Helper()
	var he *stream.HeaderError
	if !errors.As(err, &he) || he.Attr != attr {
		t.Errorf("%v, want a HeaderError about %q", err, attr)
	}
}

func header(from, to jid.JID) string {
	s := "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'"
	if from.Domainpart() != "" {
		s += " from='" + from.String() + "'"
	}
	if to.Domainpart() != "" {
		s += " to='" + to.String() + "'"
	}
	return s + ">"
}

// talk plays a peer that says what is given and listens until the end; it hands out what it heard.
func talk(conn net.Conn, says string) <-chan string {
	heard := make(chan string, 1)
	go func() {
		go func() { _, _ = io.WriteString(conn, says) }()
		all, _ := io.ReadAll(conn)
		_ = conn.Close()
		heard <- string(all)
	}()
	return heard
}

// XEP-0174: on the LAN a client may know a network address only, and says who it is.
func TestRemoteIsLearnt(t *testing.T) {
	a, b := net.Pipe()
	client, server := open(t, a, b, stream.Config{Local: owner}, stream.Config{Local: device})
	if client.err != nil || server.err != nil {
		t.Fatal(client.err, server.err)
	}
	if !client.s.RemoteAddr().Equal(device) || !server.s.RemoteAddr().Equal(owner) {
		t.Errorf("learnt %v and %v", client.s.RemoteAddr(), server.s.RemoteAddr())
	}
	closeBoth(client.s, server.s)
}

func closeBoth(a, b *stream.Stream) {
	done := make(chan struct{})
	go func() { _ = a.Close(); close(done) }()
	_ = b.Close()
	<-done
}

// RFC 6120 §4.9.1.2: where the peer may be told, it is told within a stream.
func TestLenientRefusal(t *testing.T) {
	for name, c := range map[string]struct{ says, condition string }{
		"nobody":       {header(jid.JID{}, device), "<invalid-from"},
		"for another":  {header(owner, jid.MustParse("other@home.test")), "<host-unknown"},
		"bad address":  {strings.Replace(header(owner, device), "owner@", "@", 1), "<invalid-from"},
		"version 2":    {strings.Replace(header(owner, device), "1.0", "2.0", 1), "<unsupported-version"},
		"no namespace": {"<stream>", "<invalid-namespace"},
		"garbage":      {"<<", "<not-well-formed"},
		"HTTP":         {"GET / HTTP/1.1\r\n\r\n<", "<not-well-formed"},
		"endless":      {"<stream " + strings.Repeat("x", 300<<10), "<policy-violation"},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := net.Pipe()
			said := talk(a, c.says)
			_, err := stream.Server(t.Context(), b, stream.Config{Local: device})
			_ = b.Close()
			if err == nil {
				t.Fatal("accepted")
			}
			got := <-said
			if !strings.Contains(got, c.condition) || !strings.HasSuffix(got, "</stream:error></stream:stream>") ||
				!strings.Contains(got, "<stream:stream ") {
				t.Errorf("error %v; the peer heard %q", err, got)
			}
		})
	}
}
