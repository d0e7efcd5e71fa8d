package c2s

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
)

func TestNext(t *testing.T) {
	for p := onWire; p <= over; p++ {
		for e := lost; e <= ended; e++ {
			got, ok := next(p, e)
			want, may := p, false
			switch {
			case p == onWire && e == lost:
				want, may = betweenWires, true
			case p == betweenWires && e == resumed:
				want, may = onWire, true
			case p != over && e == ended:
				want, may = over, true
			}
			if got != want || ok != may {
				t.Errorf("next(%v, %v) = %v, %v", p, e, got, ok)
			}
		}
	}
}

// XEP-0198 §4: h counts modulo 2³². A count that goes back, or beyond what was sent, is none.
func TestCountsAcrossTheWrap(t *testing.T) {
	const last = 1<<32 - 1
	for _, start := range []uint32{0, 5, last - 3, last} {
		s := sent{acked: start}
		for range 10 {
			s.add([]byte("<iq/>"))
		}
		if s.total() != start+10 || s.bytes != 10*(5+sentOverhead) {
			t.Fatalf("%+v", s)
		}
		for _, h := range []uint32{start + 11, start - 1, start + 1<<31} {
			var count *countError
			if n, err := s.ack(h); n != 0 || !errors.As(err, &count) || len(s.list) != 10 {
				t.Errorf("from %d, %d acknowledges %d, %v", start, h, n, err)
			}
		}
		for _, c := range []struct{ h, n uint32 }{{start, 0}, {start + 4, 4}, {start + 4, 0}, {start + 10, 6}} {
			if n, err := s.ack(c.h); uint32(n) != c.n || err != nil {
				t.Errorf("from %d, %d acknowledges %d, %v", start, c.h, n, err)
			}
		}
		if len(s.list) != 0 || s.bytes != 0 {
			t.Errorf("%+v", s)
		}
	}
}

// What is kept is named as it was: the namespace of the stream is that of its stanzas.
func TestSentStanzas(t *testing.T) {
	st := &xmpp.Stanza{Kind: xmpp.Message, ID: "m", Payload: []*xmpp.Element{
		xmpp.NewText(xmpp.NSClient, "body", "<&>"), xmpp.NewElement("urn:test", "x", xmpp.NewElement(xmpp.NSClient, "y"))}}
	var s sent
	s.add(st.AppendXML(nil, "", "a@b/c"))
	got := s.stanzas()
	if len(got) != 1 || got[0].ID != "m" || got[0].Child(xmpp.NSClient, "body").Text() != "<&>" ||
		got[0].Child("urn:test", "x").Child(xmpp.NSClient, "y") == nil || got[0].To.String() != "a@b/c" {
		t.Errorf("%v", got)
	}
}

// Nobody reads: what has come is bounded, and who puts more waits until somebody reads, or the link ends.
func TestInboxIsBounded(t *testing.T) {
	b := newInbox()
	put := make(chan int, 2*inboxStanzas)
	go func() {
		defer close(put)
		for i := range cap(put) {
			b.put(&xmpp.Stanza{Kind: xmpp.Message})
			put <- i
		}
	}()
	count := func() int { time.Sleep(50 * time.Millisecond); return len(put) }
	if n := count(); n != inboxStanzas {
		t.Errorf("%d stanzas are there", n)
	}
	if _, err := b.take(); err != nil || count() != inboxStanzas+1 {
		t.Error("one was taken, and not one more came")
	}
	b.close(errLost, true)
	for range put {
	}
	if st, err := b.take(); err != errLost {
		t.Errorf("%v, %v", st, err)
	}
}

// What a server says about resuming is bounded, and is about the stream that was asked for.
func TestTermsAndVerdicts(t *testing.T) {
	long := xmpp.NewElement(nsSM, "enabled").With("resume", "true").With("id", strings.Repeat("x", maxStreamID+1))
	if got := parseTerms(long, nil); got.id != "" {
		t.Errorf("kept a name of %d bytes", len(got.id))
	}
	another := xmpp.NewElement(nsSM, "resumed").With("h", "1").With("previd", "another")
	if v, err := (&claim{terms: terms{id: "id"}}).judge(another); err == nil {
		t.Errorf("another stream was taken for ours: %+v", v)
	}
}

// A server cannot make us keep what is no token.
func TestTokenIsBounded(t *testing.T) {
	cfg := Config{JID: jid.MustParse("a@home.test"), Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	for token, taken := range map[string]bool{"": false, "x": true, strings.Repeat("x", maxToken): true, strings.Repeat("x", maxToken+1): false} {
		r := openKeyring(cfg)
		r.keep(xmpp.NewElement(nsFAST, "token").With("token", token), "HT-SHA-256-NONE", inline{})
		if got := r.login(tls.ConnectionState{}) != nil; got != taken {
			t.Errorf("a token of %d bytes: %v", len(token), got)
		}
	}
}

func FuzzTerms(f *testing.F) {
	f.Add("id", "true", "300", "home.test:5222")
	f.Add("", "1", "99999999999", "[::1]:5222")
	f.Add("x", "0", "-1", "evil.test:0")
	f.Add("x", "true", "", "[2001:db8::1]")
	f.Add(strings.Repeat("x", 5000), "true", "", strings.Repeat("x", 5000))
	f.Fuzz(func(t *testing.T, id, resume, seconds, location string) {
		got := parseTerms(xmpp.NewElement(nsSM, "enabled").With("id", id).With("resume", resume).With("max", seconds).With("location", location), &net.TCPAddr{})
		if got.lasts <= 0 || got.lasts > maxResumable || len(got.id) > maxStreamID || len(got.location.addr) > maxLocation+8 {
			t.Errorf("%+v", got)
		}
		if got.id != "" && resume != "true" && resume != "1" {
			t.Errorf("%q may resume: %+v", resume, got)
		}
		if again := parseLocation(got.location.addr, &net.TCPAddr{}); again != got.location {
			t.Errorf("%v becomes %v", got.location, again)
		}
	})
}

func FuzzVerdict(f *testing.F) {
	f.Add("<resumed xmlns='urn:xmpp:sm:3' h='4' previd='id'/>")
	f.Add("<failed xmlns='urn:xmpp:sm:3' h='4'><error><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></failed>")
	f.Add("<failed xmlns='urn:xmpp:sm:3'/>")
	f.Add("<resumed xmlns='urn:xmpp:sm:3' h='4' previd='another'/>")
	f.Add("<resumed xmlns='urn:xmpp:sm:3' h='4294967296' previd='id'/>")
	f.Fuzz(func(t *testing.T, text string) {
		el, err := xmpp.ParseElement([]byte(text), xmpp.Limits{Bytes: 4096})
		if err != nil {
			return
		}
		v, err := (&claim{terms: terms{id: "id"}}).judge(el)
		switch {
		case err != nil:
		case v.resumed && (!el.Is(nsSM, "resumed") || el.Attr("previd") != "id" || !v.counted):
			t.Errorf("%s resumed", text)
		case !v.resumed && (!el.Is(nsSM, "failed") || len(v.reason) > 60):
			t.Errorf("%s: %+v", text, v)
		}
	})
}
