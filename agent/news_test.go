package agent

import (
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/trust"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/stream"
)

// ownersEnd is the other end of an owner's session: it reads, and answers only if it is told to.
type ownersEnd struct {
	link    xmpp.Link
	session *xmpp.Session // the device's
	served  sync.WaitGroup
}

func openOwnersEnd(t *testing.T, l *life, k trust.Key) *ownersEnd {
	t.Helper()
	here, there := net.Pipe()
	device, owner := jid.MustParse("box@host"), k.JID
	var link xmpp.Link
	accepted := make(chan error, 1)
	go func() {
		var err error
		link, err = stream.Server(t.Context(), here, stream.Config{Local: device, Remote: owner})
		accepted <- err
	}()
	far, err := stream.Client(t.Context(), there, stream.Config{Local: owner, Remote: device})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-accepted; err != nil {
		t.Fatal(err)
	}
	e := &ownersEnd{link: far, session: xmpp.NewSession(link, nil)}
	nudge, remove := l.sessions.add(e.session, k, func() {})
	told := make(map[string]bool)
	l.tell(e.session, k, told)
	e.served.Go(func() { l.accompany(e.session, k, nudge, told) })
	e.served.Go(func() { defer remove(); _ = e.session.Serve(t.Context()) })
	return e
}

// next returns the next stanza that the device sends, or nil.
func (e *ownersEnd) next() *xmpp.Stanza {
	st, err := e.link.ReadStanza()
	if err != nil {
		return nil
	}
	return st
}

func newsLife(t *testing.T) *life {
	t.Helper()
	return &life{log: slog.New(slog.DiscardHandler), news: &news{store: trust.NewMemStore()}, sessions: newSessions()}
}

func isNews(st *xmpp.Stanza, text string) bool {
	return st != nil && st.Kind == xmpp.Message && strings.Contains(st.Child(xmpp.NSClient, "body").Text(), text)
}

// DESIGN §3, "every owner is told of each new one": a server that cuts the connection after the device has
// spoken cannot keep it from him.
func TestNewsAreKeptUntilTheOwnerHasAnswered(t *testing.T) {
	l, k := newsLife(t), record(t, "romeo@phone").Key()
	if err := l.news.add(k, "a new owner"); err != nil {
		t.Fatal(err)
	}
	cut := openOwnersEnd(t, l, k)
	if st := cut.next(); !isNews(st, "a new owner") {
		t.Fatalf("first came %v", st)
	}
	_ = cut.link.Close()
	cut.served.Wait()

	again := openOwnersEnd(t, l, k)
	if st := again.next(); !isNews(st, "a new owner") {
		t.Fatalf("after a cut came %v", st)
	}
	question := again.next()
	if question == nil || question.Kind != xmpp.IQ {
		t.Fatalf("then came %v", question)
	}
	if err := again.link.WriteStanza(&xmpp.Stanza{Kind: xmpp.IQ, Type: xmpp.Result, ID: question.ID}); err != nil {
		t.Fatal(err)
	}
	for range 200 {
		if lines, _ := l.news.of(k); len(lines) == 0 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if lines, err := l.news.of(k); len(lines) != 0 || err != nil {
		t.Errorf("after the answer %q are still kept, %v", lines, err)
	}
	_ = again.link.Close()
	again.served.Wait()
}

// DESIGN §5, "unbounded anything": an owner's program that is gone without a word keeps no session for ever.
func TestSessionOfAnOwnerWhoVanishedEnds(t *testing.T) {
	k := record(t, "romeo@phone").Key()
	synctest.Test(t, func(t *testing.T) {
		l := newsLife(t)
		start := time.Now()
		e := openOwnersEnd(t, l, k)
		for e.next() != nil { // reads, and never answers
		}
		_ = e.link.Close()
		e.served.Wait()
		if took := time.Since(start); took < aliveInterval || took > aliveInterval+2*aliveTimeout {
			t.Errorf("it ended after %v", took)
		}
	})
}
