package c2s_test

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/c2s"
)

// heard is what a bad server hears of its client, and what an honest one does after it.
type heard struct {
	mu      sync.Mutex // guards all below
	said    string     // after the bad answer, up to the end of the connection
	auths   []string   // the mechanism of each login after it, with "+resume" where a stream was asked for
	stanzas string     // the ids of those that came after it
}

// rest hears the client out on a connection.
func (h *heard) rest(f *fake) {
	rest, _ := io.ReadAll(f.conn)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.said += string(rest)
}

func (h *heard) login(auth *xmpp.Element) {
	how := auth.Attr("mechanism")
	if auth.Child(nsSM, "resume") != nil || auth.Child(nsISR, "inst-resume") != nil {
		how += "+resume"
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.auths = append(h.auths, how)
}

// honest logs anybody in by password, resumes stream1 where it is asked for, having handled one stanza of it, or binds another stream.
func (h *heard) honest(f *fake) {
	f.header(modern("HT-SHA-256-EXPR"))
	auth := f.read()
	h.login(auth)
	if auth.Child(nsSM, "resume") != nil {
		f.scram2(auth, "<resumed xmlns='"+nsSM+"' previd='stream1' h='1'/>")
	} else {
		f.scram2(auth, strings.Replace(boundNew, "stream1", "stream2", 1))
	}
	h.back(f)
}

// back says that it is there again, and notes what stanzas come.
func (h *heard) back(f *fake) {
	f.raw("<message id='back'/>")
	for {
		el, err := f.framer.ReadElement()
		if err != nil {
			return
		}
		if el.Name.Space == xmpp.NSClient {
			h.mu.Lock()
			h.stanzas += el.Attr("id")
			h.mu.Unlock()
		}
	}
}

// told fails unless the client left with the condition, and with the end of the stream.
func (h *heard) told(t *testing.T, condition string) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if !strings.HasSuffix(h.said, "</stream:stream>") || strings.Count(h.said, "</stream:stream>") != 1 {
		t.Errorf("the client left with %q", h.said)
	}
	if !strings.Contains(h.said, "<"+condition+" xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>") {
		t.Errorf("the client says %q, not %s", h.said, condition)
	}
}

// cameBy fails unless the logins after it were those, in order.
func (h *heard) cameBy(t *testing.T, want ...string) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if fmt.Sprint(h.auths) != fmt.Sprint(want) {
		t.Errorf("came back by %v, want %v", h.auths, want)
	}
}

// under logs in, takes three stanzas of which it acknowledges the first, and says x; then the connection breaks, or bad is said.
func under(bad string, h *heard) func(*fake) {
	return func(f *fake) {
		f.header(modern("HT-SHA-256-EXPR"))
		f.scram2(f.read(), boundNew+newToken)
		for range 3 {
			f.stanza()
		}
		f.raw("<a xmlns='" + nsSM + "' h='1'/><message id='x'/>" + bad)
		if bad != "" {
			h.rest(f)
			return
		}
		for el := f.read(); !el.Is(nsSM, "r"); el = f.read() { // it has taken the acknowledgement
		}
	}
}

// drain reads a link to its end, and returns the ids of what came, and the end.
func drain(l *c2s.Link) (ids string, err error) {
	for {
		st, err := l.ReadStanza()
		if err != nil {
			return ids, err
		}
		ids += st.ID
		if st.ID == "back" {
			return ids, nil
		}
	}
}

func impatient(cfg *c2s.Config) { cfg.Jitter = func() float64 { return 0.99 } }

// The server says what it may not while the stream is up. The stream ends with the reason, what came before is there, what was
// acknowledged is not in doubt, what was not is; and the next login asks for no former stream.
func TestBadStream(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for name, c := range map[string]struct{ say, condition string }{
		"h too high":       {"<a xmlns='" + nsSM + "' h='4'/>", "undefined-condition"},
		"h lower":          {"<a xmlns='" + nsSM + "' h='0'/>", "undefined-condition"},
		"a stanza too big": {"<message><body>" + strings.Repeat("x", 300000) + "</body></message>", "policy-violation"},
		"endless features": {"<stream:features>" + strings.Repeat("<x xmlns='urn:x'/>", 5000) + "</stream:features>", "policy-violation"},
		"no XML":           {"<message></iq>", "not-well-formed"},

		"enabled twice":        {"<enabled xmlns='" + nsSM + "' id='other' resume='true'/>", "undefined-condition"},
		"resumed, not asked":   {"<resumed xmlns='" + nsSM + "' previd='stream1' h='3'/>", "undefined-condition"},
		"failed, not asked":    {"<failed xmlns='" + nsSM + "' h='3'/>", "undefined-condition"},
		"success, not asked":   {"<success xmlns='" + nsSASL2 + "'/>", "undefined-condition"},
		"challenge, not asked": {"<challenge xmlns='" + nsSASL + "'>cj0=</challenge>", "undefined-condition"},
		"TLS, not asked":       {"<proceed xmlns='" + nsTLS + "'/>", "undefined-condition"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var after heard
			addr := fakeServer(t, h.cert, inTurn(under(c.say+"<message id='after'/>", &after), after.honest))
			l, err := h.dialTo(t, addr)
			if err != nil {
				t.Fatal(err)
			}
			send(t, l, "a", "b", "c")
			came, err := drain(l)
			if ids, unhandled := lostIDs(err); came != "x" || ids != "bc" || unhandled {
				t.Errorf("%q came; in doubt is %q, unhandled %v: %v", came, ids, unhandled, err)
			}
			_ = l.Close()
			next, err := h.dialTo(t, addr)
			if err != nil {
				t.Fatal(err)
			}
			if came, err := drain(next); came != "back" || err != nil {
				t.Errorf("%q came: %v", came, err)
			}
			_ = next.Close()
			after.told(t, c.condition)
			after.cameBy(t, "SCRAM-SHA-256")
			if after.stanzas != "" {
				t.Errorf("%q was sent again", after.stanzas)
			}
			// A stanza that is refused has come all the same: the server would keep it for the next login.
			ends := strings.Index(after.said, "<stream:error>")
			if strings.HasPrefix(c.say, "<message>") && !strings.HasSuffix(after.said[:max(ends, 0)], "<a xmlns='"+nsSM+"' h='2'/>") {
				t.Errorf("does not say that it has got the stanza: %q", after.said)
			}
		})
	}
}

// proven ends a login by the token t1 as a server that has it, too.
func proven(rest string) func(*fake) {
	return func(f *fake) {
		f.byToken(modern("HT-SHA-256-EXPR"))
		f.succeed(f.mac("t1", "Responder"), rest)
	}
}

// The connection broke, and the server says what it may not while the stream is to be resumed by a token: the token is gone, and so is
// the stream; the next login is by password, at once, and binds another. What was acknowledged is not in doubt, and what was not is.
func TestBadResumption(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	say := func(s string) func(*fake) {
		return func(f *fake) { f.byToken(modern("HT-SHA-256-EXPR")); f.raw(s) }
	}
	bare := "<success xmlns='" + nsSASL2 + "'><authorization-identifier>"
	for name, c := range map[string]struct {
		bad       func(*fake)
		condition string
	}{
		"resumed before success":  {say("<resumed xmlns='" + nsSM + "' previd='stream1' h='3'/>"), "undefined-condition"},
		"a stanza before success": {say("<message id='early'/>"), "undefined-condition"},
		"two challenges":          {say(strings.Repeat("<challenge xmlns='"+nsSASL2+"'/>", 2)), "undefined-condition"},
		"success of another kind": {say("<success xmlns='" + nsSASL + "'/>"), "undefined-condition"},
		"no base64":               {say(bare + "box@home.test</authorization-identifier><additional-data>%</additional-data></success>"), "undefined-condition"},
		"features twice":          {say("<stream:features/>"), "undefined-condition"},
		"no XML":                  {say("</success>"), "not-well-formed"},
		"endless success":         {say("<success xmlns='" + nsSASL2 + "'>" + strings.Repeat("x", 300000)), "policy-violation"},

		"resumed another":        {proven("<resumed xmlns='" + nsSM + "' previd='other' h='3'/>"), "undefined-condition"},
		"resumed with no number": {proven("<resumed xmlns='" + nsSM + "' previd='stream1' h='all'/>"), "undefined-condition"},
		"enabled for resumed":    {proven("<enabled xmlns='" + nsSM + "' id='other' resume='true'/>"), "undefined-condition"},
		"endless features": {func(f *fake) {
			_, err := f.framer.ReadHeader()
			f.must(err)
			f.raw("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'><stream:features>" +
				strings.Repeat("<x xmlns='urn:x'/>", 5000))
		}, "policy-violation"},
		"no features": {func(f *fake) {
			_, err := f.framer.ReadHeader()
			f.must(err)
			f.raw("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'><message id='early'/>")
		}, "undefined-condition"},
		"somebody else's header": {func(f *fake) {
			_, err := f.framer.ReadHeader()
			f.must(err)
			f.raw("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0' from='other.test'>")
		}, "undefined-condition"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var after heard
			store := &memTokens{}
			l, err := h.dial(t, inTurn(under("", nil), func(f *fake) { c.bad(f); after.rest(f) }, after.honest),
				func(cfg *c2s.Config) { cfg.Tokens = store })
			if err != nil {
				t.Fatal(err)
			}
			next := successor(l)
			send(t, l, "a", "b", "c")
			came, err := drain(l)
			if ids, unhandled := lostIDs(err); came != "x" || ids != "bc" || unhandled {
				t.Errorf("%q came; in doubt is %q, unhandled %v: %v", came, ids, unhandled, err)
			}
			n := <-next
			if came, err := drain(n); came != "back" || err != nil {
				t.Errorf("%q came: %v", came, err)
			}
			_ = n.Close()
			after.told(t, c.condition)
			after.cameBy(t, "SCRAM-SHA-256")
			if after.stanzas != "" || store.field("token") != "" {
				t.Errorf("%q was sent again; the token is %q", after.stanzas, store.field("token"))
			}
		})
	}
}

// The token is what the server does not take any more, or cannot prove, and not the stream: the next login is by password, and asks for the
// stream. What was acknowledged is not sent again, what was not is.
func TestBadToken(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	resumed := "<resumed xmlns='" + nsSM + "' previd='stream1' h='3'/>" // of a server that must not be believed: it would drop b and c
	for name, c := range map[string]struct {
		bad       func(*fake)
		condition string
	}{
		"expired": {func(f *fake) {
			f.byToken(modern("HT-SHA-256-EXPR"))
			f.raw("<failure xmlns='" + nsSASL2 + "'><credentials-expired xmlns='" + nsSASL + "'/></failure></stream:stream>")
		}, ""},
		"no proof":        {func(f *fake) { f.byToken(modern("HT-SHA-256-EXPR")); f.succeed(nil, resumed) }, "undefined-condition"},
		"another's proof": {func(f *fake) { f.byToken(modern("HT-SHA-256-EXPR")); f.succeed(f.mac("t2", "Responder"), resumed) }, "undefined-condition"},
		"features changed": {func(f *fake) {
			f.byToken(modern("HT-SHA-256-NONE"))
			f.succeed(f.mac("t1", "Responder"), resumed)
		}, "undefined-condition"},
		"an old server": {func(f *fake) { f.byToken(mechanisms("SCRAM-SHA-256")) }, "undefined-condition"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var after heard
			store := &memTokens{}
			l, err := h.dial(t, inTurn(under("", nil), func(f *fake) { c.bad(f); after.rest(f) }, after.honest),
				func(cfg *c2s.Config) { cfg.Tokens = store }, impatient)
			if err != nil {
				t.Fatal(err)
			}
			send(t, l, "a", "b", "c")
			if came, err := drain(l); came != "xback" || err != nil {
				t.Errorf("%q came: %v", came, err)
			}
			for range 100 { // what is sent again is on its way
				after.mu.Lock()
				all := after.stanzas
				after.mu.Unlock()
				if len(all) >= 2 {
					break
				}
				time.Sleep(20 * time.Millisecond)
			}
			_ = l.Close()
			if c.condition != "" {
				after.told(t, c.condition)
			} else if !strings.HasSuffix(after.said, "</stream:stream>") {
				t.Errorf("the client left with %q", after.said)
			}
			after.cameBy(t, "SCRAM-SHA-256+resume")
			if after.stanzas != "bc" || store.field("token") != "" {
				t.Errorf("%q was sent again; the token is %q", after.stanzas, store.field("token"))
			}
		})
	}
}

// A stanza with too many elements or attributes, or too deep, may be a stranger's: it is left out, counted, and the stream goes on.
func TestStanzaIsLeftOut(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for name, bad := range map[string]string{
		"too deep":                strings.Repeat("<message xmlns:p='urn:p'>", 40) + strings.Repeat("</message>", 40),
		"too many elements":       "<message>" + strings.Repeat("<x xmlns='urn:x'>y</x>", 5000) + "</message>",
		"too many attributes":     "<message" + attributes(65) + "/>",
		"in a child":              "<iq type='set' id='i'><x xmlns='urn:x'" + attributes(65) + "><y/></x></iq>",
		"an answer, and a marker": "<iq type='result' id='i'>" + strings.Repeat("<x>", 40) + "&lt;" + strings.Repeat("</x>", 40) + "</iq>",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			told := make(chan string, 1)
			l, err := h.dial(t, func(f *fake) {
				f.managed("id='stream1' resume='true'")
				f.raw(bad + "<message id='good' xmlns:p='urn:p'><p:x/></message><r xmlns='" + nsSM + "'/>")
				told <- f.read().Attr("h")
				f.idle()
			})
			if err != nil {
				t.Fatal(err)
			}
			if st, err := l.ReadStanza(); err != nil || st.ID != "good" || st.Child("urn:p", "x") == nil {
				t.Errorf("%v, %v", st, err)
			}
			if h := <-told; h != "2" {
				t.Errorf("the server is told of %s stanzas", h)
			}
		})
	}
}

func attributes(n int) (text string) {
	for i := range n {
		text += fmt.Sprintf(" a%d='1'", i)
	}
	return text
}
