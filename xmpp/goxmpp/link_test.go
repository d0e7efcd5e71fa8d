package goxmpp

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
)

const from = " from='juliet@home.test/x' to='romeo@home.test/y' "

// marker is a stanza that shows that the link still reads.
const marker = "<iq type='get' id='marker'" + from + "><q xmlns='urn:test'/></iq>"

// last reads up to the marker, and returns what came before it.
func last(t *testing.T, l *Link) []*xmpp.Stanza {
	t.Helper()
	var out []*xmpp.Stanza
	for {
		st := mustRead(t, l)
		if st.ID == "marker" {
			return out
		}
		out = append(out, st)
	}
}

// After an error the library may hold its lock for ever: it is not asked again, and Close does not wait for it.
func TestAfterTheEnd(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		end  func(*client)
		want error
	}{
		"EndOfStream":   {func(c *client) { c.send("</stream:stream>") }, io.EOF},
		"Vanished":      {func(c *client) { _ = c.raw.Close() }, io.ErrUnexpectedEOF},
		"VanishedInIQ":  {func(c *client) { c.send("<iq><a>"); _ = c.raw.Close() }, io.ErrUnexpectedEOF},
		"NotWellFormed": {func(c *client) { c.send("<iq type='get' id='1'><a></b></iq>") }, xmpp.ErrNotWellFormed},
		"BadAtTopLevel": {func(c *client) { c.send("</iq>") }, xmpp.ErrNotWellFormed},
		"Conflict": {func(c *client) {
			c.send("<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>Replaced by new connection</text></stream:error>")
		}, xmpp.ErrConflict},
		"TooBig":    {func(c *client) { go c.send("<message><body>" + strings.Repeat("x", 300<<10)) }, xmpp.ErrTooBig},
		"EmptyFlow": {func(c *client) { go c.send(strings.Repeat(" ", 400<<10)) }, xmpp.ErrTooBig},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, &server{})
			link, peer := connect(t, s, s.config("romeo"))
			c.end(peer)
			_, err := read(t, link)
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if _, again := read(t, link); again != err {
				t.Errorf("then %v", again)
			}
			start := time.Now()
			_ = link.Close()
			if d := time.Since(start); d > 2*closeGrace {
				t.Errorf("Close took %v", d)
			}
			if err := link.WriteStanza(&xmpp.Stanza{Kind: xmpp.Presence}); !errors.Is(err, net.ErrClosed) {
				t.Errorf("writing then: %v", err)
			}
		})
	}
}

// The library's Close waits 10 s for a server that does not answer, and a reader holds it up.
func TestCloseAtASilentServer(t *testing.T) {
	t.Parallel()
	s := newServer(t, &server{})
	link, c := connect(t, s, s.config("romeo"))
	var reading sync.WaitGroup
	reading.Go(func() {
		if _, err := link.ReadStanza(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the reader gets %v", err)
		}
	})
	time.Sleep(10 * time.Millisecond) // let it block
	start := time.Now()
	_ = link.Close()
	if d := time.Since(start); d > 2*closeGrace {
		t.Errorf("Close took %v", d)
	}
	reading.Wait()
	if _, err := c.dec.Next(); err != io.EOF {
		t.Errorf("the server reads %v, want the end of the stream", err)
	}
}

// A server that takes nothing is gone: a write ends, though the library has no deadline.
func TestServerTakesNothing(t *testing.T) {
	t.Parallel()
	s := newServer(t, &server{})
	cfg := s.config("romeo")
	cfg.WriteTimeout = 100 * time.Millisecond
	link, _ := connect(t, s, cfg)
	st := &xmpp.Stanza{Kind: xmpp.Message, Payload: []*xmpp.Element{xmpp.NewText(xmpp.NSClient, "body", strings.Repeat("x", 200<<10))}}
	start := time.Now()
	for time.Since(start) < 20*time.Second {
		if err := link.WriteStanza(st); err != nil {
			if _, err := read(t, link); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("reading then: %v", err)
			}
			return
		}
	}
	t.Error("it still writes")
}

// A dead connection is found by pings, whose answers are the link's own business.
func TestPings(t *testing.T) {
	t.Parallel()
	s := newServer(t, &server{})
	cfg := s.config("romeo")
	cfg.PingInterval, cfg.PingTimeout = 50*time.Millisecond, 500*time.Millisecond
	link, c := connect(t, s, cfg)
	for range 3 {
		ping := c.read(t)
		if !ping.Is(xmpp.NSClient, "iq") || ping.Child(xmpp.NSPing, "ping") == nil || ping.Attr("to") != "" {
			t.Fatalf("the server reads %v", ping)
		}
		c.send("<iq type='result' id='" + ping.Attr("id") + "'/>")
	}
	c.send(marker)
	if got := last(t, link); len(got) > 0 {
		t.Errorf("an answer is handed out: %v", got[0].Element())
	}
	c.read(t) // and is not answered
	if _, err := read(t, link); !errors.Is(err, io.ErrUnexpectedEOF) || !errors.Is(err, errSilent) {
		t.Errorf("got %v", err)
	}
}

// A link is not silent while it is we who do not read.
func TestSlowReaderIsNoSilentServer(t *testing.T) {
	t.Parallel()
	s := newServer(t, &server{})
	cfg := s.config("romeo")
	cfg.PingInterval, cfg.PingTimeout = 20*time.Millisecond, 500*time.Millisecond
	var serving sync.WaitGroup
	t.Cleanup(serving.Wait) // after the connections are closed
	link, c := connect(t, s, cfg)
	serving.Go(func() {
		for {
			ping, err := c.dec.Next()
			if err != nil {
				return
			}
			c.send("<iq type='result' id='" + ping.Attr("id") + "'/>")
		}
	})
	const n = 40
	serving.Go(func() {
		body := strings.Repeat("x", 60<<10)
		for range n {
			c.send("<message from='juliet@home.test/x'><body>" + body + "</body></message>")
		}
	})
	time.Sleep(1500 * time.Millisecond)
	for range n {
		mustRead(t, link)
	}
}

// The library answers pings by itself. A flood of them is not one big stanza.
func TestPeersPings(t *testing.T) {
	s := newServer(t, &server{})
	cfg := s.config("romeo")
	cfg.Limits = xmpp.Limits{Bytes: 2000}
	link, c := connect(t, s, cfg)
	ping := "<iq type='get' id='p'" + from + "><ping xmlns='urn:xmpp:ping'/></iq>"
	var serving sync.WaitGroup
	serving.Go(func() {
		for range 500 {
			c.send(ping)
		}
		c.send(marker)
	})
	serving.Go(func() {
		for range 500 {
			if el, err := c.dec.Next(); err != nil || el.Attr("type") != xmpp.Result || el.Attr("id") != "p" || el.Attr("to") != "juliet@home.test/x" {
				t.Errorf("answered with %v, %v", el, err)
				return
			}
		}
	})
	if got := last(t, link); len(got) > 0 {
		t.Errorf("arrives as %v", got[0].Element())
	}
	serving.Wait()
}

// Some servers end the stream over an address that is not the client's own.
func TestFromIsLeftOut(t *testing.T) {
	s := newServer(t, &server{})
	link, c := connect(t, s, s.config("romeo"))
	st := &xmpp.Stanza{Kind: xmpp.Presence, From: jid.MustParse("mallory@evil.test"), To: jid.MustParse("juliet@home.test")}
	if err := link.WriteStanza(st); err != nil {
		t.Fatal(err)
	}
	if el := c.read(t); el.Attr("from") != "" || el.Attr("to") != "juliet@home.test" {
		t.Errorf("the server reads %v", el)
	}
	if err := link.WriteStanza(&xmpp.Stanza{Kind: xmpp.IQ, Type: xmpp.Get}); err == nil {
		t.Error("wrote an iq without id")
	}
}

// The relay is for the library alone, and for one connection.
func TestRelayTakesOneConnection(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	r, err := newRelay(near, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer r.wait()
	defer r.kill(net.ErrClosed)
	conn, err := net.Dial("tcp", r.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	<-r.accepted
	if second, err := net.Dial("tcp", r.addr()); err == nil {
		_ = second.Close()
		t.Error("the relay takes a second connection")
	}
}

func TestEnvironmentComesBackAfterAnError(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := newServer(t, &server{})
	if _, err := Dial(ctx, s.config("romeo")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	withoutProxy()() // would wait for ever if the first had kept the lock
}
