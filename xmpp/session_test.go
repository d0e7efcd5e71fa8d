package xmpp_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/linktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const nsTest = "urn:test"

func pair(t *testing.T, mount func(b *xmpp.Session)) *xmpp.Session {
	t.Helper()
	la, lb := linktest.Pipe("a@x", "b@y")
	b := xmpp.NewSession(lb, nil)
	mount(b)
	linktest.Serve(t, b)
	return linktest.Serve(t, xmpp.NewSession(la, nil))
}

func TestRequestAndAnswer(t *testing.T) {
	a := pair(t, func(b *xmpp.Session) {
		b.HandlePing()
		b.HandleIQ(xmpp.Set, nsTest, "echo", func(_ context.Context, r *xmpp.Request) {
			r.Reply(xmpp.NewText(nsTest, "echo", r.Payload[0].Text()+" from "+r.From.String()))
			r.Fail(&xmpp.Error{Condition: xmpp.BadRequest}) // the second answer must not leave
		})
	})
	st, err := a.Request(t.Context(), xmpp.Set, jid.JID{}, xmpp.NewText(nsTest, "echo", "hi"))
	if err != nil || st.Payload[0].Text() != "hi from a@x" {
		t.Fatalf("%v, %v", st, err)
	}
	if err := a.Ping(t.Context(), jid.JID{}); err != nil {
		t.Fatal(err)
	}
	// RFC 6120 §8.4: a request that nobody understands is answered.
	_, err = a.Request(t.Context(), xmpp.Get, jid.JID{}, xmpp.NewText(nsTest, "echo", "hi"))
	var xe *xmpp.Error
	if !errors.As(err, &xe) || xe.Condition != xmpp.ServiceUnavailable {
		t.Fatalf("get without a handler: %v", err)
	}
}

// DESIGN §2: an IQ result counts only from the address that was asked.
func TestAnswerOnlyFromWhomWasAsked(t *testing.T) {
	router := linktest.NewRouter()
	asked := make(chan *xmpp.Stanza, 1)
	bob := xmpp.NewSession(router.Connect("bob@x/1"), nil)
	bob.HandleIQ(xmpp.Get, nsTest, "q", func(_ context.Context, r *xmpp.Request) { asked <- r.Stanza })
	linktest.Serve(t, bob)
	eve := linktest.Serve(t, xmpp.NewSession(router.Connect("eve@x/1"), nil))
	alice := linktest.Serve(t, xmpp.NewSession(router.Connect("alice@x/1"), nil))

	call, err := alice.Go(t.Context(), xmpp.Get, jid.MustParse("bob@x/1"), xmpp.NewElement(nsTest, "q"))
	if err != nil {
		t.Fatal(err)
	}
	q := <-asked
	answer := &xmpp.Stanza{Kind: xmpp.IQ, Type: xmpp.Result, ID: q.ID, To: q.From}
	forged := *answer
	if err := eve.Send(t.Context(), &forged); err != nil {
		t.Fatal(err)
	}
	if err := eve.Ping(t.Context(), q.From); err != nil { // the forged answer has arrived
		t.Fatal(err)
	}
	select {
	case <-call.Done():
		t.Fatal("an answer from somebody else was taken")
	default:
	}
	if err := bob.Send(t.Context(), answer); err != nil {
		t.Fatal(err)
	}
	if st, err := call.Wait(t.Context()); err != nil || st.From.String() != "bob@x/1" {
		t.Fatalf("%v, %v", st, err)
	}
}

func TestSilenceIsErrTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		la, lb := linktest.Pipe("a@x", "b@y")
		a := linktest.Serve(t, xmpp.NewSession(la, nil))
		b := xmpp.NewSession(lb, nil)
		b.HandleIQ(xmpp.Get, nsTest, "q", func(context.Context, *xmpp.Request) {})
		linktest.Serve(t, b)
		start := time.Now()
		_, err := a.Request(t.Context(), xmpp.Get, jid.JID{}, xmpp.NewElement(nsTest, "q"))
		if !errors.Is(err, xmpp.ErrTimeout) || time.Since(start) != 2*time.Minute {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestEndFailsWhatIsOutstanding(t *testing.T) {
	la, lb := linktest.Pipe("a@x", "b@y")
	a := linktest.Serve(t, xmpp.NewSession(la, nil))
	call, err := a.Go(t.Context(), xmpp.Get, jid.JID{}, xmpp.NewElement(nsTest, "q"))
	if err != nil {
		t.Fatal(err)
	}
	_ = lb.Close()
	if _, err := call.Wait(t.Context()); !errors.Is(err, xmpp.ErrClosed) {
		t.Errorf("outstanding: %v", err)
	}
	<-a.Done()
	if _, err := a.Go(t.Context(), xmpp.Get, jid.JID{}, xmpp.NewElement(nsTest, "q")); err == nil {
		t.Error("a request on an ended session was taken")
	}
}

// gatedLink blocks writes until told, to fill the outbox.
type gatedLink struct {
	xmpp.Link
	gate  chan struct{}
	wrote chan *xmpp.Stanza
}

func (l *gatedLink) WriteStanza(st *xmpp.Stanza) error {
	select {
	case <-l.gate:
		l.wrote <- st
		return nil
	case <-time.After(time.Minute):
		return io.ErrClosedPipe
	}
}

// DESIGN §2: one writer, a bounded queue; acknowledgements and pings go before data.
func TestOutboxIsBoundedAndPingsGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		la, _ := linktest.Pipe("a@x", "b@y")
		l := &gatedLink{Link: la, gate: make(chan struct{}), wrote: make(chan *xmpp.Stanza, 200)}
		a := xmpp.NewSession(l, nil)
		linktest.Serve(t, a)
		data := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			return a.Send(ctx, &xmpp.Stanza{Kind: xmpp.Message, Payload: []*xmpp.Element{xmpp.NewElement(nsTest, "d")}})
		}
		n := 0
		for data() == nil {
			if n++; n > 100 {
				t.Fatal("the outbox grows without end")
			}
		}
		ack := &xmpp.Stanza{Kind: xmpp.IQ, Type: xmpp.Result, ID: "ack"}
		l.gate <- struct{}{} // the one that the writer holds
		<-l.wrote
		synctest.Wait()
		if err := a.Send(t.Context(), ack); err != nil {
			t.Fatal(err)
		}
		l.gate <- struct{}{} // the second was taken before the acknowledgement came
		<-l.wrote
		l.gate <- struct{}{}
		if st := <-l.wrote; st.ID != "ack" {
			t.Errorf("an acknowledgement waited behind data: %v", st.Kind)
		}
		close(l.gate)
	})
}

// Try fails where Go would wait, and Room tells when it will not. It says when each answer has come, or never will.
func TestTryDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		la, lb := linktest.Pipe("a@x", "b@y")
		l := &gatedLink{Link: la, gate: make(chan struct{}), wrote: make(chan *xmpp.Stanza, 200)}
		a := xmpp.NewSession(l, nil)
		linktest.Serve(t, a)
		var ended atomic.Int32
		try := func() error {
			_, err := a.Try(xmpp.Get, jid.JID{}, xmpp.NewElement(nsTest, "q"), func() { ended.Add(1) })
			return err
		}
		tried := 0
		for ; try() == nil; tried++ {
			if tried > 100 {
				t.Fatal("there is always room")
			}
			synctest.Wait() // the writer holds the first
		}
		room := a.Room()
		if err := try(); !errors.Is(err, xmpp.ErrFull) || room == nil {
			t.Errorf("without room: %v", err)
		}
		l.gate <- struct{}{}
		<-room
		synctest.Wait()
		if err := try(); err != nil || a.Room() == nil {
			t.Errorf("with room for one: %v", err)
		}
		first := <-l.wrote
		if err := lb.WriteStanza(&xmpp.Stanza{Kind: xmpp.IQ, Type: xmpp.Result, ID: first.ID}); err != nil {
			t.Fatal(err)
		}
		if synctest.Wait(); ended.Load() != 1 {
			t.Errorf("one answer ended %d calls", ended.Load())
		}
		_ = lb.Close()
		close(l.gate)
		<-a.Done()
		if int(ended.Load()) != tried+1 {
			t.Errorf("of %d calls %d have ended with the session", tried+1, ended.Load())
		}
	})
}

// knockingLink brings one ping after the other and never gets a word out.
type knockingLink struct {
	xmpp.Link
	pings  atomic.Int32
	closed chan struct{}
	close  sync.Once
}

func (l *knockingLink) ReadStanza() (*xmpp.Stanza, error) {
	if l.pings.Add(1) > 1000 {
		return nil, io.EOF
	}
	return &xmpp.Stanza{Kind: xmpp.IQ, Type: xmpp.Get, ID: "p", Payload: []*xmpp.Element{xmpp.NewElement(xmpp.NSPing, "ping")}}, nil
}

func (l *knockingLink) WriteStanza(*xmpp.Stanza) error {
	<-l.closed
	return io.ErrClosedPipe
}

func (l *knockingLink) Close() error {
	l.close.Do(func() { close(l.closed) })
	return l.Link.Close()
}

// A peer that asks and does not take the answers is read no further when as many answers wait as the outbox holds.
func TestFullOutboxStopsReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		la, _ := linktest.Pipe("a@x", "b@y")
		l := &knockingLink{Link: la, closed: make(chan struct{})}
		a := xmpp.NewSession(l, nil)
		a.HandlePing()
		linktest.Serve(t, a)
		synctest.Wait()
		if n := l.pings.Load(); n < 60 || n > 70 {
			t.Errorf("read %d pings while no answer left", n)
		}
	})
}

func TestCloseFlushes(t *testing.T) {
	la, lb := linktest.Pipe("a@x", "b@y")
	a := xmpp.NewSession(la, nil)
	for range 10 {
		if err := a.Send(t.Context(), &xmpp.Stanza{Kind: xmpp.Message}); err != nil {
			t.Fatal(err)
		}
	}
	_ = a.Close()
	if err := a.Serve(t.Context()); err != nil {
		t.Errorf("Serve after Close: %v", err)
	}
	n := 0
	for {
		if _, err := lb.ReadStanza(); err != nil {
			break
		}
		n++
	}
	if n != 10 {
		t.Errorf("%d of 10 stanzas left before the end", n)
	}
}
