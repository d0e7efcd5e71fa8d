package xmpp

import (
	"context"
	"strings"
	"testing"

	"mellium.im/xmpp/jid"
)

// batchedLink keeps what each write was given, and holds the first up.
type batchedLink struct {
	writes chan []string
	gate   chan struct{}
	closed chan struct{}
}

func (l *batchedLink) LocalAddr() jid.JID           { return jid.MustParse("romeo@montague.lit/orchard") }
func (l *batchedLink) RemoteAddr() jid.JID          { return jid.JID{} }
func (l *batchedLink) ReadStanza() (*Stanza, error) { <-l.closed; return nil, ErrClosed }
func (l *batchedLink) WriteStanza(s *Stanza) error  { return l.WriteStanzas([]*Stanza{s}) }

func (l *batchedLink) WriteStanzas(list []*Stanza) error {
	var ids []string
	for _, s := range list {
		ids = append(ids, s.ID)
	}
	l.writes <- ids
	<-l.gate
	return nil
}

func (l *batchedLink) Close() error {
	select {
	case <-l.closed:
	default:
		close(l.closed)
	}
	return nil
}

// What is ready leaves at once, what is urgent first, and no more than batchBytes of it: nothing urgent waits behind much.
func TestReadyStanzasLeaveTogether(t *testing.T) {
	l := &batchedLink{writes: make(chan []string, 8), gate: make(chan struct{}), closed: make(chan struct{})}
	s := NewSession(l, nil)
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(context.Background()) }()
	put := func(id, typ string, payload ...*Element) {
		t.Helper()
		if err := s.Post(&Stanza{Kind: IQ, Type: typ, ID: id, Payload: payload}); err != nil {
			t.Fatal(err)
		}
	}
	put("first", Set, NewElement("u", "x"))
	if got := <-l.writes; strings.Join(got, " ") != "first" {
		t.Errorf("first %v", got)
	}
	block := NewText("u", "data", strings.Repeat("A", 5000)) // one fits into a batch, two do not
	put("data1", Set, block)
	put("ack1", Result)
	put("data2", Set, block)
	put("ack2", Result)
	put("small", Set, NewElement("u", "x"))
	for _, want := range []string{"ack1 ack2 data1", "data2 small"} {
		l.gate <- struct{}{}
		if got := <-l.writes; strings.Join(got, " ") != want {
			t.Errorf("%v in one write, want %s", got, want)
		}
	}
	close(l.gate)
	_ = s.Close()
	<-done
}
