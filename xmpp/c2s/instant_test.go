package c2s_test

import (
	"crypto/tls"
	"encoding/base64"
	"io"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"xtls-agent/internal/testpeer"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/c2s"
)

const nsISR = "https://xmpp.org/extensions/isr/0"

// XEP-0397 with our module for Prosody: each time the connection is lost the stream is resumed by the token that the last time brought, two
// round trips after TCP; a token that is lost with its answer is not shown again.
func TestInstantProsody(t *testing.T) {
	t.Parallel()
	modules, err := filepath.Abs("../../contrib/prosody")
	if err != nil {
		t.Fatal(err)
	}
	s := testpeer.Prosody(t, testpeer.XMPPOptions{ModulePath: modules, Modules: []string{"isr", "resume_parser"}})
	cfg := account(t, s, "alice")
	log := logged(&cfg)
	t.Run("Flights", func(t *testing.T) { testFlights(t, s, cfg) })
	relay := testpeer.NewRelay(t, s.DirectAddr)
	cfg.Server, cfg.Mode = relay.Addr, c2s.DirectTLS
	l := dial(t, cfg)
	back := make(chan bool, 10)
	l.Notify(func(c c2s.Change) { back <- !c.Resuming && c.Next == nil })
	before := strings.Count(log.String(), "instant=true")
	for n := range 3 {
		relay.Cut()
		for !<-back {
		}
		if got := strings.Count(log.String(), "msg=\"logged in\" mechanism=HT-SHA-256-EXPR instant=true") - before; got != n+1 {
			t.Fatalf("resumed instantly %d times of %d: %s", got, n+1, log)
		}
	}
}

func isrFeature(mechanisms ...string) *xmpp.Element {
	list := xmpp.NewElement(nsSASL, "mechanisms")
	for _, m := range mechanisms {
		list.Add(xmpp.NewText(nsSASL, "mechanism", m))
	}
	return xmpp.NewElement(nsISR, "isr", list)
}

const boundInstant = "<bound xmlns='urn:xmpp:bind:0'><enabled xmlns='" + nsSM + "' id='stream1' resume='true'>" +
	"<isr-enabled xmlns='" + nsISR + "' token='i1' LOCATION/></enabled></bound>"

// instantly logs in by password, has a token for the account and one for the stream, and loses the connection.
func instantly(location string) func(*fake) {
	return func(f *fake) {
		f.header(modern("HT-SHA-256-EXPR"), isrFeature("HT-SHA-256-ENDP", "HT-SHA-256-EXPR"))
		auth := f.read()
		enable := auth.Child("urn:xmpp:bind:0", "bind").Child(nsSM, "enable")
		if m := enable.Child(nsISR, "isr-enable").Attr("mechanism"); m != "HT-SHA-256-EXPR" {
			f.t.Errorf("asks for an instant token for %q", m)
		}
		f.scram2(auth, strings.Replace(boundInstant, "LOCATION", location, 1)+newToken)
	}
}

// byInstant reads a login by the token for the stream.
func (f *fake) byInstant(token string, features ...*xmpp.Element) {
	f.header(features...)
	auth := f.read()
	message, _ := base64.StdEncoding.DecodeString(auth.Child(nsSASL2, "initial-response").Text())
	resume := auth.Child(nsISR, "inst-resume").Child(nsSM, "resume")
	if string(message) != "box\x00"+string(f.mac(token, "Initiator")) || resume.Attr("previd") != "stream1" || auth.Child(nsFAST, "fast") != nil {
		f.t.Errorf("resumes by %v", auth)
	}
}

func instResumed(token string) string {
	return "<inst-resumed xmlns='" + nsISR + "' token='" + token + "'><resumed xmlns='" + nsSM + "' previd='stream1' h='0'/></inst-resumed>"
}

// back is what a server says on a stream that is there again.
func (f *fake) back() {
	f.raw("<message id='back'/>")
	f.idle()
}

func TestInstant(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	offered := []*xmpp.Element{modern("HT-SHA-256-EXPR"), isrFeature("HT-SHA-256-EXPR")}
	const refusal = "<failure xmlns='" + nsSASL2 + "'><not-authorized xmlns='" + nsSASL + "'/></failure>"
	byPassword := func(f *fake) { // and neither token
		f.header(offered...)
		auth := f.read()
		if auth.Child(nsISR, "inst-resume").Attr("with-isr-token") != "false" {
			t.Errorf("goes on by %v", auth)
		}
		f.scram2(auth, instResumed("i9"))
		f.back()
	}
	byAccount := func(f *fake) { // a token for the account, and the stream as usual
		auth := f.read()
		if auth.Child(nsFAST, "fast") == nil || auth.Child(nsISR, "inst-resume").Attr("with-isr-token") != "false" {
			t.Errorf("goes on by %v", auth)
		}
		f.succeed(f.mac("t1", "Responder"), instResumed("i9"))
		f.back()
	}
	for name, scripts := range map[string][]func(*fake){
		"twice": {func(f *fake) {
			f.byInstant("i1", offered...)
			f.succeed(f.mac("i1", "Responder"), instResumed("i2"))
		}, func(f *fake) {
			f.byInstant("i2", offered...)
			f.succeed(f.mac("i2", "Responder"), instResumed("i3"))
			f.back()
		}},
		"refused":            {func(f *fake) { f.byInstant("i1", offered...); f.raw(refusal); byAccount(f) }},
		"the answer is lost": {func(f *fake) { f.byInstant("i1", offered...) }, func(f *fake) { f.header(offered...); byAccount(f) }},
		"no proof, and then by password": {func(f *fake) {
			f.byInstant("i1", offered...)
			f.succeed(nil, instResumed("evil"))
			f.idle()
		}, byPassword},
		"not offered any more": {func(f *fake) { f.byInstant("i1", modern("HT-SHA-256-EXPR")); f.idle() },
			func(f *fake) { f.header(offered...); byAccount(f) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := h.dial(t, inTurn(append([]func(*fake){instantly("")}, scripts...)...), func(cfg *c2s.Config) { cfg.Jitter = func() float64 { return 0.99 } })
			if err != nil {
				t.Fatal(err)
			}
			if st, err := l.ReadStanza(); err != nil || st.ID != "back" {
				t.Errorf("%v, %v", st, err)
			}
		})
	}
}

// Where the stream cannot be resumed, though the token was good, a new one takes its place at once.
func TestInstantFails(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	l, err := h.dial(t, inTurn(instantly(""), func(f *fake) {
		f.byInstant("i1", modern("HT-SHA-256-EXPR"), isrFeature("HT-SHA-256-EXPR"))
		f.succeed(f.mac("i1", "Responder"), "<inst-resume-failed xmlns='"+nsISR+"'><failed xmlns='"+nsSM+"' h='0'/></inst-resume-failed>"+
			strings.Replace(boundInstant, "LOCATION", "", 1))
		f.back()
	}))
	if err != nil {
		t.Fatal(err)
	}
	next := successor(l)
	_, err = l.ReadStanza()
	wantIs(t, err, io.ErrUnexpectedEOF)
	n := <-next
	defer n.Close()
	if st, err := n.ReadStanza(); err != nil || st.ID != "back" {
		t.Errorf("%v, %v", st, err)
	}
}

// The place where the token is to be used is tried first, by direct TLS alone. One that is not the account's server gets
// neither the token nor a word.
func TestInstantLocation(t *testing.T) {
	t.Parallel()
	h, other := newHost(t), newHost(t)
	var tried atomic.Int32
	not := func(cert tls.Certificate) string {
		return rawServer(t, cert, func(f *fake) {
			tried.Add(1)
			f.startTLS()
			t.Error("the client took another server for its own")
		})
	}
	evil, named := not(other.cert), not(h.authority.Issue(t, testpeer.Validity{}, "elsewhere.test").TLS)
	there := make(chan bool, 1)
	good := rawServer(t, h.cert, func(f *fake) {
		f.startTLS()
		there <- true
		f.byInstant("i1", modern("HT-SHA-256-EXPR"), isrFeature("HT-SHA-256-EXPR"))
		f.succeed(f.mac("i1", "Responder"), instResumed("i2"))
		f.back()
	})
	here := func(f *fake) {
		f.byInstant("i1", modern("HT-SHA-256-EXPR"), isrFeature("HT-SHA-256-EXPR"))
		f.succeed(f.mac("i1", "Responder"), instResumed("i2"))
		f.back()
	}
	for location, again := range map[string]func(*fake){
		good: func(*fake) { t.Error("the place was not tried") }, evil: here, named: here,
	} {
		l, err := h.dial(t, inTurn(instantly("location='"+location+"'"), again))
		if err != nil {
			t.Fatal(err)
		}
		if st, err := l.ReadStanza(); err != nil || st.ID != "back" {
			t.Errorf("%v, %v", st, err)
		}
	}
	if len(there) != 1 || tried.Load() != 2 {
		t.Errorf("the right place was tried %d times, the wrong ones %d times", len(there), tried.Load())
	}
}
