package c2s_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/c2s"
)

const nsSM = "urn:xmpp:sm:3"

// managed logs in and manages the stream as attrs of the <enabled/> say.
func (f *fake) managed(attrs string) {
	f.header(mechanisms("SCRAM-SHA-256"))
	f.scram(f.read(), "secret")
	f.must(f.framer.Restart())
	f.header(xmpp.NewElement(nsBind, "bind"), xmpp.NewElement(nsSM, "sm"))
	f.answerBind(f.read())
	if el := f.read(); !el.Is(nsSM, "enable") || el.Attr("resume") != "true" {
		f.t.Errorf("asked for %v", el)
	}
	f.raw("<enabled xmlns='" + nsSM + "' " + attrs + "/>")
}

func (f *fake) answerBind(iq *xmpp.Element) {
	full := "box@home.test/" + iq.Child(nsBind, "bind").Child(nsBind, "resource").Text()
	f.write((&xmpp.Stanza{Kind: xmpp.IQ, Type: xmpp.Result, ID: iq.Attr("id"), Payload: []*xmpp.Element{
		xmpp.NewElement(nsBind, "bind", xmpp.NewText(nsBind, "jid", full))}}).Element())
}

// asked logs in and returns the <resume/> with which the client goes on.
func (f *fake) asked() *xmpp.Element {
	f.header(mechanisms("SCRAM-SHA-256"))
	f.scram(f.read(), "secret")
	f.must(f.framer.Restart())
	f.header(xmpp.NewElement(nsBind, "bind"), xmpp.NewElement(nsSM, "sm"))
	el := f.read()
	if !el.Is(nsSM, "resume") {
		f.t.Errorf("asked for %v", el)
	}
	return el
}

// stanza reads the next stanza, and answers no <r/> meanwhile.
func (f *fake) stanza() *xmpp.Element {
	for {
		if el := f.read(); el.Name.Space == xmpp.NSClient {
			return el
		}
	}
}

// idle listens until the client ends the stream.
func (f *fake) idle() {
	for {
		if _, err := f.framer.ReadElement(); err != nil {
			return
		}
	}
}

// inTurn does the first script on the first connection, and so on; the last on all that follow.
func inTurn(scripts ...func(*fake)) func(*fake) {
	var n atomic.Int32
	return func(f *fake) { scripts[min(int(n.Add(1)), len(scripts))-1](f) }
}

func message(id string) *xmpp.Stanza { return &xmpp.Stanza{Kind: xmpp.Message, ID: id} }

func send(t *testing.T, l *c2s.Link, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := l.WriteStanza(message(id)); err != nil {
			t.Fatal(err)
		}
	}
}

func lostIDs(err error) (ids string, unhandled bool) {
	var lost *xmpp.LostError
	if !errors.As(err, &lost) {
		return "", false
	}
	for _, st := range lost.Stanzas {
		ids += st.ID
	}
	return ids, lost.Unhandled
}

// XEP-0198 §5: what the server has not handled is sent again, in order and once; what has come is said.
func TestResume(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	again := make(chan string, 1)
	l, err := h.dial(t, inTurn(
		func(f *fake) {
			f.managed("id='stream1' resume='true'")
			for range 4 {
				f.stanza()
			}
			f.raw("<message id='x'/><iq type='get'/><message id='y'/>") // the second is none, but counts
			f.raw("<a xmlns='" + nsSM + "' h='1'/><message id='z'/>")
			time.Sleep(100 * time.Millisecond)
		},
		func(f *fake) {
			el := f.asked()
			if el.Attr("previd") != "stream1" || el.Attr("h") != "4" {
				t.Errorf("resumes by %v", el)
			}
			f.raw("<resumed xmlns='" + nsSM + "' previd='stream1' h='2'/>")
			again <- f.stanza().Attr("id") + f.stanza().Attr("id") + f.stanza().Attr("id")
			f.raw("<message id='w'/>")
			f.idle()
		}))
	if err != nil {
		t.Fatal(err)
	}
	local := l.LocalAddr()
	send(t, l, "a", "b", "c", "d")
	for _, want := range []string{"x", "y", "z"} {
		if st, err := l.ReadStanza(); err != nil || st.ID != want {
			t.Fatalf("%v, %v, want %s", st, err, want)
		}
	}
	go func() { time.Sleep(50 * time.Millisecond); _ = l.WriteStanza(message("e")) }() // waits for the connection, if there is none
	if st, err := l.ReadStanza(); err != nil || st.ID != "w" {
		t.Fatalf("%v, %v", st, err)
	}
	if got := <-again; got != "cde" || !l.LocalAddr().Equal(local) {
		t.Errorf("sent again: %s, as %v", got, l.LocalAddr())
	}
}

// Where the server cannot resume, the link ends and names what nobody can answer for; what was bound instead takes its place.
func TestNotResumed(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for name, c := range map[string]struct {
		answer    string
		ids       string
		unhandled bool
	}{
		"unknown previd":   {"<failed xmlns='urn:xmpp:sm:3'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>", "bc", false},
		"expired":          {"<failed xmlns='urn:xmpp:sm:3' h='2'/>", "c", true},
		"all was handled":  {"<failed xmlns='urn:xmpp:sm:3' h='3'/>", "", false},
		"a count too high": {"<failed xmlns='urn:xmpp:sm:3' h='4'/>", "bc", false},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := h.dial(t, inTurn(
				func(f *fake) {
					f.managed("id='stream1' resume='true'")
					for range 3 {
						f.stanza()
					}
					f.raw("<a xmlns='" + nsSM + "' h='1'/>")
					time.Sleep(50 * time.Millisecond)
				},
				func(f *fake) {
					f.asked()
					f.raw(c.answer)
					f.answerBind(f.read())
					f.read()
					f.raw("<enabled xmlns='" + nsSM + "' id='stream2' resume='1'/><message id='new'/>")
					for el := f.read(); ; el = f.read() {
						if el.Name.Space == xmpp.NSClient {
							t.Errorf("%v was sent again", el)
						}
					}
				}))
			if err != nil {
				t.Fatal(err)
			}
			next := successor(l)
			send(t, l, "a", "b", "c")
			_, err = l.ReadStanza()
			wantIs(t, err, io.ErrUnexpectedEOF)
			if ids, unhandled := lostIDs(err); ids != c.ids || unhandled != c.unhandled {
				t.Errorf("lost %q, unhandled %v: %v", ids, unhandled, err)
			}
			n := <-next
			defer n.Close()
			if st, err := n.ReadStanza(); err != nil || st.ID != "new" || n.LocalAddr().Equal(l.LocalAddr()) {
				t.Errorf("%v, %v at %v", st, err, n.LocalAddr())
			}
		})
	}
}

// A server that counts what it cannot have got, answers for another stream, or counts in no number: the stream ends, and nobody resumes it.
func TestBadCounts(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for name, c := range map[string]struct {
		ack, resumed string
		ids          string
	}{
		"acknowledges one too many":   {ack: "3", ids: "ab"},
		"acknowledges less than once": {ack: "4294967295", ids: "ab"},
		"no number":                   {ack: "many", ids: "ab"},
		"negative":                    {ack: "-1", ids: "ab"},
		"beyond 2³²":                  {ack: "4294967296", ids: "ab"},
		"resumes with one too many":   {resumed: "previd='stream1' h='3'", ids: "ab"},
	} {
		t.Run(name, func(t *testing.T) {
			said := make(chan string, 1)
			l, err := h.dial(t, inTurn(
				func(f *fake) {
					f.managed("id='stream1' resume='true'")
					f.stanza()
					f.stanza()
					if c.ack != "" {
						f.raw("<a xmlns='" + nsSM + "' h='" + c.ack + "'/>")
						rest, _ := io.ReadAll(f.conn)
						said <- string(rest)
					}
				},
				func(f *fake) {
					if c.ack != "" {
						t.Error("the stream was to be resumed")
						return
					}
					f.asked()
					f.raw("<resumed xmlns='" + nsSM + "' " + c.resumed + "/>")
					rest, _ := io.ReadAll(f.conn)
					said <- string(rest)
				}))
			if err != nil {
				t.Fatal(err)
			}
			send(t, l, "a", "b")
			_, err = l.ReadStanza()
			if ids, unhandled := lostIDs(err); ids != c.ids || unhandled {
				t.Errorf("lost %q: %v", ids, err)
			}
			_ = l.Close()
			if got := <-said; !strings.Contains(got, "<undefined-condition") || !strings.HasSuffix(got, "</stream:stream>") {
				t.Errorf("told the server %q", got)
			} else if c.ack == "3" && !strings.Contains(got, "<handled-count-too-high xmlns='urn:xmpp:sm:3' h='3' send-count='2'/>") {
				t.Errorf("told the server %q", got)
			}
		})
	}
}

// A server that resumes another stream than was asked for has not resumed this one.
func TestResumedAnother(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	l, err := h.dial(t, inTurn(
		func(f *fake) { f.managed("id='stream1' resume='true'") },
		func(f *fake) { f.asked(); f.raw("<resumed xmlns='" + nsSM + "' previd='other' h='0'/>"); f.idle() },
		func(f *fake) { f.managed("id='stream2' resume='true'"); f.idle() }))
	if err != nil {
		t.Fatal(err)
	}
	next := successor(l)
	if st, err := l.ReadStanza(); err == nil {
		t.Errorf("%v came", st)
	}
	_ = (<-next).Close()
}

// A peer that counts one less than was sent is not asked for ever, and what it does not acknowledge is kept.
func TestServerCountsOneTooFew(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	var asked atomic.Int32
	l, err := h.dial(t, func(f *fake) {
		f.managed("id='stream1' resume='true'")
		n := 0
		for {
			switch el := f.read(); {
			case el.Is(nsSM, "r"):
				asked.Add(1)
				f.raw(fmt.Sprintf("<a xmlns='%s' h='%d'/>", nsSM, max(n-1, 0)))
			default:
				n++
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	send(t, l, "a", "b", "c")
	time.Sleep(300 * time.Millisecond)
	if n := asked.Load(); n == 0 || n > 4 {
		t.Errorf("asked %d times", n)
	}
}

// What ends a stream for good is not resumed: a conflict, an end in order, what breaks our limits.
func TestEndsForGood(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for name, c := range map[string]struct {
		say  string
		want func(error) bool
	}{
		"conflict": {"<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>",
			func(err error) bool { return errors.Is(err, xmpp.ErrConflict) }},
		"in order": {"</stream:stream>", func(err error) bool { return errors.Is(err, io.EOF) }},
		"too big": {"<message><body>" + strings.Repeat("x", 300000) + "</body></message>",
			func(err error) bool { return errors.Is(err, xmpp.ErrTooBig) }},
		"not well-formed": {"<message><body></message>", func(err error) bool { return errors.Is(err, xmpp.ErrNotWellFormed) }},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := h.dial(t, inTurn(
				func(f *fake) {
					f.managed("id='stream1' resume='true' max='2'")
					f.stanza()
					f.raw(c.say)
					f.idle()
				},
				func(f *fake) { t.Error("the stream was to be resumed") }))
			if err != nil {
				t.Fatal(err)
			}
			send(t, l, "a")
			_, err = l.ReadStanza()
			if ids, _ := lostIDs(err); !c.want(err) || ids != "a" {
				t.Errorf("%q, %v", ids, err)
			}
		})
	}
}

// After a server that says that it restarts, the stream is asked for: it may know what it has handled.
func TestServerRestarts(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	l, err := h.dial(t, inTurn(
		func(f *fake) {
			f.managed("id='stream1' resume='true'")
			f.raw("<stream:error><system-shutdown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>")
		},
		func(f *fake) {
			f.asked()
			f.raw("<resumed xmlns='" + nsSM + "' previd='stream1' h='0'/><message id='back'/>")
			f.idle()
		}))
	if err != nil {
		t.Fatal(err)
	}
	if st, err := l.ReadStanza(); err != nil || st.ID != "back" {
		t.Errorf("%v, %v", st, err)
	}
}

// A stream that the server lets nobody resume ends with its connection, and says what is in doubt.
func TestNotResumable(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	l, err := h.dial(t, func(f *fake) { f.managed("id='stream1'"); f.stanza() })
	if err != nil {
		t.Fatal(err)
	}
	send(t, l, "a")
	_, err = l.ReadStanza()
	wantIs(t, err, io.ErrUnexpectedEOF)
	if ids, unhandled := lostIDs(err); ids != "a" || unhandled {
		t.Errorf("lost %q", ids)
	}
}

// successor is what the server binds in the place of a stream that it does not resume.
func successor(l *c2s.Link) <-chan *c2s.Link {
	next := make(chan *c2s.Link, 1)
	l.Notify(func(c c2s.Change) {
		if c.Next != nil {
			next <- c.Next
		}
	})
	return next
}
