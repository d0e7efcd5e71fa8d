package linktest

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
)

// patience bounds every wait of the suite: a link that needs longer fails.
const patience = 15 * time.Second

// closeLimit is what "within a few seconds" in the contract of [xmpp.Link] means.
const closeLimit = 5 * time.Second

// Ends are the two ends of a link between parties, or two links to one server.
type Ends struct {
	A, B xmpp.Link

	// End makes A's peer end the stream in order. Between two parties it may be nil: B.Close is it.
	End func()
	// Cut takes the connection away under A, with no end of the stream.
	Cut func()
}

// Factory makes a fresh pair, connected and quiet. What it needs beside the links it cleans up with t.Cleanup; the
// suite closes the links.
type Factory func(t *testing.T) Ends

// Caps says what kind of link it is, and what it is known not to do. The suite asserts either way: a link that
// turns out to do what its Caps deny fails, so that they stay true.
type Caps struct {
	Server bool // a server stands between: full local addresses, no remote one, From as the server has it

	NoEnd bool // Ends.End cannot be had (only with Server)
	NoCut bool // Ends.Cut cannot be had

	Resumes    bool // after Ends.Cut the link goes on by itself, with nothing lost, doubled or reordered
	Reshuffles bool // but the server between may then double, reorder, bounce and lose some of what it passes on; whether it does is chance

	OnePayload        bool // only the last payload element of a stanza arrives
	NoMessageID       bool // messages arrive without their id
	NoPresencePayload bool // presence arrives without its payload
	OneCondition      bool // of an error with an application's condition only that one arrives: the defined one is lost
}

// Run holds a link to the contract of [xmpp.Link].
func Run(t *testing.T, factory Factory, caps Caps) {
	s := suite{factory: factory, caps: caps}
	t.Run("Addresses", s.addresses)
	t.Run("IQ", s.iqs)
	t.Run("Message", s.message)
	t.Run("Presence", s.presence)
	t.Run("FromIsNotTheWriters", s.fromIsNotTheWriters)
	t.Run("Text", s.text)
	t.Run("Big", s.big)
	t.Run("OrderBothWays", s.orderBothWays)
	t.Run("WriteLeavesTheStanza", s.writeLeavesTheStanza)
	t.Run("CloseUnblocksRead", s.closeUnblocksRead)
	t.Run("CloseUnblocksWrite", s.closeUnblocksWrite)
	t.Run("CloseTwice", s.closeTwice)
	t.Run("FailsAfterClose", s.failsAfterClose)
	t.Run("EndByPeer", s.endByPeer)
	t.Run("PeerVanishes", s.peerVanishes)
	t.Run("Session", s.session)
}

type suite struct {
	factory Factory
	caps    Caps
}

func (s suite) open(t *testing.T) Ends {
	t.Helper()
	e := s.factory(t)
	t.Cleanup(func() { // both at once, since an orderly end waits for the other's
		var closing sync.WaitGroup
		closing.Go(func() { _ = e.A.Close() }) // a test may have closed or cut it already
		closing.Go(func() { _ = e.B.Close() })
		closing.Wait()
	})
	return e
}

// attend reads l to its end and then closes it, as a session does.
func attend(t *testing.T, l xmpp.Link) {
	var reading sync.WaitGroup
	reading.Go(func() {
		for {
			if _, err := l.ReadStanza(); err != nil {
				_ = l.Close()
				return
			}
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		reading.Wait()
	})
}

func (s suite) addresses(t *testing.T) {
	e := s.open(t)
	for _, l := range []xmpp.Link{e.A, e.B} {
		hasResource, hasRemote := l.LocalAddr().Resourcepart() != "", !l.RemoteAddr().Equal(jid.JID{})
		if hasResource != s.caps.Server || hasRemote == s.caps.Server {
			t.Errorf("server %v: local address %q, remote %q", s.caps.Server, l.LocalAddr(), l.RemoteAddr())
		}
	}
	if !s.caps.Server && (!e.A.RemoteAddr().Equal(e.B.LocalAddr()) || !e.B.RemoteAddr().Equal(e.A.LocalAddr())) {
		t.Errorf("the ends disagree: %v to %v, %v to %v", e.A.LocalAddr(), e.A.RemoteAddr(), e.B.LocalAddr(), e.B.RemoteAddr())
	}
}

func (s suite) iqs(t *testing.T) {
	e := s.open(t)
	rich := xmpp.NewElement(nsTest, "rich",
		xmpp.NewText(nsTest, "same", "text"), xmpp.NewText("urn:other", "other", "text"),
		xmpp.NewElement(nsTest, "empty").With("attr", `<&>'"`), xmpp.NewElement(xmpp.NSClient, "client"))
	for i, typ := range []string{xmpp.Get, xmpp.Set, xmpp.Result} {
		s.carries(t, e.A, e.B, &xmpp.Stanza{Kind: xmpp.IQ, Type: typ, ID: fmt.Sprint("id", i), Payload: []*xmpp.Element{rich}})
		s.carries(t, e.B, e.A, &xmpp.Stanza{Kind: xmpp.IQ, Type: typ, ID: fmt.Sprint("id", i), Payload: []*xmpp.Element{rich}})
	}
	s.carries(t, e.A, e.B, &xmpp.Stanza{Kind: xmpp.IQ, Type: xmpp.Result, ID: "bare"})
	failed := &xmpp.Error{Type: xmpp.Cancel, Condition: xmpp.ItemNotFound, Text: "no such thing", App: xmpp.NewElement(nsTest, "app")}
	got := s.pass(t, e.A, e.B, &xmpp.Stanza{Kind: xmpp.IQ, Type: xmpp.Fail, ID: "bad", Payload: []*xmpp.Element{failed.Element()}})
	want := failed.Condition
	if s.caps.OneCondition {
		want = xmpp.UndefinedCondition
	}
	var answered *xmpp.Error
	if !errors.As(got.Err(), &answered) || answered.Condition != want || answered.Type != failed.Type {
		t.Errorf("an error arrives as %v", got.Err())
	}
}

func (s suite) message(t *testing.T) {
	e := s.open(t)
	st := &xmpp.Stanza{Kind: xmpp.Message, Type: "chat", ID: "m1", Payload: []*xmpp.Element{
		xmpp.NewText(xmpp.NSClient, "body", "hello"), xmpp.NewText(nsTest, "extra", "more")}}
	got := s.pass(t, e.A, e.B, st)
	if (got.ID == "") != s.caps.NoMessageID || got.ID != "" && got.ID != st.ID {
		t.Errorf("NoMessageID %v: id %q", s.caps.NoMessageID, got.ID)
	}
	// A server may add payload of its own to a message, such as XEP-0359 ids.
	body, extra := got.Child(xmpp.NSClient, "body"), got.Child(nsTest, "extra")
	if (body == nil) != s.caps.OnePayload || extra.Text() != "more" || body != nil && body.Text() != "hello" {
		t.Errorf("OnePayload %v: arrives as %v", s.caps.OnePayload, got.Element())
	}
}

func (s suite) presence(t *testing.T) {
	e := s.open(t)
	st := &xmpp.Stanza{Kind: xmpp.Presence, Payload: []*xmpp.Element{xmpp.NewElement(nsTest, "c").With("ver", "x")}}
	got := s.pass(t, e.A, e.B, st)
	if c := got.Child(nsTest, "c"); (c == nil) != s.caps.NoPresencePayload || c != nil && c.Attr("ver") != "x" {
		t.Errorf("NoPresencePayload %v: arrives as %v", s.caps.NoPresencePayload, got.Element())
	}
}

// A peer is who the link says, not who it says it is.
func (s suite) fromIsNotTheWriters(t *testing.T) {
	e := s.open(t)
	st := &xmpp.Stanza{Kind: xmpp.IQ, Type: xmpp.Get, ID: "forged", From: jid.MustParse("mallory@evil.example/x"),
		Payload: []*xmpp.Element{xmpp.NewElement(nsTest, "q")}}
	s.pass(t, e.A, e.B, st)
}

// What cannot be written in XML does not end the link (XML 1.0 §2.2).
func (s suite) text(t *testing.T) {
	e := s.open(t)
	for i, c := range []struct{ in, out string }{
		{"  spaces and\nlines\t ", "  spaces and\nlines\t "},
		{"grüße 🔒 ]]>", "grüße 🔒 ]]>"},
		{"nul \x00, bell \a, bad \xff.", "nul \uFFFD, bell \uFFFD, bad \uFFFD."},
	} {
		st := &xmpp.Stanza{Kind: xmpp.IQ, Type: xmpp.Set, ID: fmt.Sprint("t", i), Payload: []*xmpp.Element{xmpp.NewText(nsTest, "t", c.in)}}
		if got := s.pass(t, e.A, e.B, st); got.Child(nsTest, "t").Text() != c.out {
			t.Errorf("%q arrives as %q, want %q", c.in, got.Child(nsTest, "t").Text(), c.out)
		}
	}
}

func (s suite) big(t *testing.T) {
	e := s.open(t)
	st := &xmpp.Stanza{Kind: xmpp.IQ, Type: xmpp.Set, ID: "big",
		Payload: []*xmpp.Element{xmpp.NewText(nsTest, "big", strings.Repeat("0123456789abcdef", 6<<10))}}
	s.carries(t, e.A, e.B, st)
}

// Both directions at once, each in order, and neither waits for the other.
func (s suite) orderBothWays(t *testing.T) {
	e := s.open(t)
	const n = 200
	var all sync.WaitGroup
	for _, way := range []struct{ from, to xmpp.Link }{{e.A, e.B}, {e.B, e.A}} {
		all.Go(func() {
			for i := range n {
				st := s.to(way.to, &xmpp.Stanza{Kind: xmpp.IQ, Type: xmpp.Set, ID: fmt.Sprint(i),
					Payload: []*xmpp.Element{xmpp.NewText(nsTest, "d", strings.Repeat("x", 1000))}})
				if err := way.from.WriteStanza(st); err != nil {
					t.Errorf("stanza %d: %v", i, err)
					return
				}
			}
		})
	}
	s.allArrive(t, e, n)
	all.Wait()
}

// The writer may keep the stanza, and send it again.
func (s suite) writeLeavesTheStanza(t *testing.T) {
	e := s.open(t)
	st := s.to(e.B, &xmpp.Stanza{Kind: xmpp.IQ, Type: xmpp.Get, ID: "again", From: jid.MustParse("a@b/c"),
		Payload: []*xmpp.Element{xmpp.NewElement(nsTest, "q")}})
	before := st.Element().String()
	for range 2 {
		if _, err := s.exchange(e.A, e.B, st); err != nil {
			t.Fatal(err)
		}
	}
	if after := st.Element().String(); after != before {
		t.Errorf("writing made %s of %s", after, before)
	}
}

func (s suite) closeUnblocksRead(t *testing.T) {
	e := s.open(t)
	attend(t, e.B)
	got := make(chan error, 1)
	go func() {
		_, err := e.A.ReadStanza()
		got <- err
	}()
	time.Sleep(20 * time.Millisecond) // let it block
	closeInTime(t, e.A)
	select {
	case err := <-got:
		if err == nil {
			t.Error("a stanza came from nowhere")
		}
	case <-time.After(closeLimit):
		t.Error("ReadStanza still blocks after Close")
	}
}

// The other end does not read: writes may come to stand, and Close must free them.
func (s suite) closeUnblocksWrite(t *testing.T) {
	e := s.open(t)
	st := s.to(e.B, &xmpp.Stanza{Kind: xmpp.IQ, Type: xmpp.Set, ID: "flood",
		Payload: []*xmpp.Element{xmpp.NewText(nsTest, "d", strings.Repeat("x", 64<<10))}})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 100 {
			if e.A.WriteStanza(st) != nil {
				return
			}
		}
	}()
	time.Sleep(100 * time.Millisecond) // let it block
	closeInTime(t, e.A)
	select {
	case <-done:
	case <-time.After(closeLimit):
		t.Error("WriteStanza still blocks after Close")
	}
}

func (s suite) closeTwice(t *testing.T) {
	e := s.open(t)
	attend(t, e.B)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { closeInTime(t, e.A) })
	}
	all.Wait()
	closeInTime(t, e.A)
}

func (s suite) failsAfterClose(t *testing.T) {
	e := s.open(t)
	attend(t, e.B)
	closeInTime(t, e.A)
	if st, err := read(e.A); err == nil {
		t.Errorf("read %v after Close", st.Element())
	}
	if err := e.A.WriteStanza(s.to(e.B, &xmpp.Stanza{Kind: xmpp.Message})); err == nil {
		t.Error("wrote after Close")
	}
}

// io.EOF is an orderly end, and what was sent before it arrives first.
func (s suite) endByPeer(t *testing.T) {
	e := s.open(t)
	end := e.End
	switch {
	case s.caps.NoEnd:
		if end != nil {
			t.Fatal("Caps.NoEnd, but there is Ends.End")
		}
		return
	case end == nil && !s.caps.Server:
		end = func() { _ = e.B.Close() }
	case end == nil:
		t.Fatal("Ends.End is missing; if it cannot be had, say so in Caps.NoEnd")
	}
	var ended sync.WaitGroup
	ended.Go(func() {
		if !s.caps.Server {
			if err := e.B.WriteStanza(&xmpp.Stanza{Kind: xmpp.IQ, Type: xmpp.Result, ID: "last"}); err != nil {
				t.Error(err)
			}
		}
		end()
	})
	defer ended.Wait()
	if !s.caps.Server {
		if st, err := read(e.A); err != nil || st.ID != "last" {
			t.Errorf("before the end: %v, %v", st, err)
		}
	}
	if _, err := read(e.A); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v, want io.EOF", err)
	}
	closeInTime(t, e.A)
}

func (s suite) peerVanishes(t *testing.T) {
	e := s.open(t)
	if s.caps.NoCut {
		if e.Cut != nil {
			t.Fatal("Caps.NoCut, but there is Ends.Cut")
		}
		return
	}
	if e.Cut == nil {
		t.Fatal("Ends.Cut is missing; if it cannot be had, say so in Caps.NoCut")
	}
	if s.caps.Resumes {
		s.goesOn(t, e)
		return
	}
	e.Cut()
	if _, err := read(e.A); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the peer vanished: %v, want io.ErrUnexpectedEOF", err)
	}
	closeInTime(t, e.A)
}

// A link that resumes is the same link after the connection is gone: what was on its way either way arrives, once and in order
// unless the server is known not to see to that.
func (s suite) goesOn(t *testing.T, e Ends) {
	const n = 40
	var all sync.WaitGroup
	for _, way := range []struct{ from, to xmpp.Link }{{e.A, e.B}, {e.B, e.A}} {
		all.Go(func() {
			for i := range n {
				if i%10 == 5 && way.from == e.A {
					e.Cut()
				}
				if err := way.from.WriteStanza(s.to(way.to, &xmpp.Stanza{Kind: xmpp.IQ, Type: xmpp.Set, ID: fmt.Sprint(i),
					Payload: []*xmpp.Element{xmpp.NewElement(nsTest, "q")}})); err != nil {
					t.Errorf("stanza %d: %v", i, err)
					return
				}
			}
		})
	}
	s.allArrive(t, e, n)
	all.Wait()
}

// A link carries a session: a request and its answer, then an end that frees everything.
func (s suite) session(t *testing.T) {
	e := s.open(t)
	var serving sync.WaitGroup
	sessions := make([]*xmpp.Session, 2)
	for i, l := range []xmpp.Link{e.A, e.B} {
		sessions[i] = xmpp.NewSession(l, nil)
		sessions[i].HandlePing()
		serving.Go(func() { _ = sessions[i].Serve(t.Context()) })
	}
	for range 3 {
		if err := sessions[0].Ping(t.Context(), s.to(e.B, &xmpp.Stanza{}).To); err != nil {
			t.Error(err)
		}
	}
	_ = sessions[0].Close()
	_ = sessions[1].Close()
	serving.Wait()
}
