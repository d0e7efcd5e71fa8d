package xmpp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
)

// lossy is a link whose server is never heard. It ends with what fate makes of what was written.
type lossy struct {
	written chan *xmpp.Stanza
	fate    func(*xmpp.Stanza) error
}

func (l *lossy) LocalAddr() jid.JID  { return jid.MustParse("a@home.test/x") }
func (l *lossy) RemoteAddr() jid.JID { return jid.JID{} }
func (l *lossy) Close() error        { return nil }
func (l *lossy) WriteStanza(st *xmpp.Stanza) error {
	l.written <- st
	return nil
}
func (l *lossy) ReadStanza() (*xmpp.Stanza, error) { return nil, l.fate(<-l.written) }

// A request of which the server has said that it did not handle it was not sent. One in doubt is neither sent nor not.
func TestRequestsOnALostLink(t *testing.T) {
	for unhandled, want := range map[bool]bool{true: true, false: false} {
		l := &lossy{written: make(chan *xmpp.Stanza), fate: func(st *xmpp.Stanza) error {
			return &xmpp.LostError{Stanzas: []*xmpp.Stanza{st}, Unhandled: unhandled, Err: io.ErrUnexpectedEOF}
		}}
		s := xmpp.NewSession(l, nil)
		served := make(chan error, 1)
		go func() { served <- s.Serve(context.Background()) }()
		_, err := s.Request(t.Context(), xmpp.Get, jid.JID{}, xmpp.NewElement("urn:test", "q"))
		if errors.Is(err, xmpp.ErrNotSent) != want || !errors.Is(err, xmpp.ErrClosed) || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("unhandled %v: %v", unhandled, err)
		}
		var lost *xmpp.LostError
		if err := <-served; !errors.As(err, &lost) || len(lost.Stanzas) != 1 {
			t.Errorf("the session ended with %v", err)
		}
	}
}

// A session may end because of what somebody answered beneath it, as to a block of the byte stream that carries it. That is no answer to
// what was asked in it, whose outcome is not known: by a request that was under way, or one that comes later.
func TestEndIsNoAnswer(t *testing.T) {
	beneath := &xmpp.Error{Type: xmpp.Cancel, Condition: xmpp.ServiceUnavailable}
	l := &lossy{written: make(chan *xmpp.Stanza), fate: func(*xmpp.Stanza) error {
		return fmt.Errorf("reading: %w: a block was refused: %w", io.ErrUnexpectedEOF, beneath)
	}}
	s := xmpp.NewSession(l, nil)
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.Serve(context.Background()) })
	_, underWay := s.Request(t.Context(), xmpp.Get, jid.JID{}, xmpp.NewElement("urn:test", "q"))
	serving.Wait()
	_, later := s.Request(t.Context(), xmpp.Get, jid.JID{}, xmpp.NewElement("urn:test", "q"))
	for _, err := range []error{underWay, later} {
		var answered *xmpp.Error
		if errors.As(err, &answered) || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("taken for an answer: %v", err)
		}
	}
	if !errors.Is(underWay, xmpp.ErrClosed) {
		t.Error(underWay)
	}
}
