package jingle

import (
	"errors"
	"fmt"
	"testing"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/linktest"
)

// DESIGN §3, Failures: to a peer that may not try, this is an entity that does not know Jingle, whatever
// it sends.
func TestPeerThatMayNotTry(t *testing.T) {
	r := linktest.NewRouter()
	p := joinRaw(t, r, romeoJID)
	bare := linktest.Serve(t, xmpp.NewSession(r.Connect("stranger@x/y"), nil))
	b := join(t, r, julietJID, func(c *Config) {
		c.Allow = func(j jid.JID) Leave {
			if j.Equal(romeo) {
				return Nobody
			}
			return Friend
		}
	})
	client := join(t, r, "client@x/y", func(c *Config) { c.Incoming = nil })
	for _, el := range []*xmpp.Element{
		offerOf("1").Element(), of("1", SessionInfo).Element(), of("1", SessionTerminate).Element(),
		xmpp.NewElement(NS, "jingle"), xmpp.NewElement(NS0, "jingle"),
		offerOf("1").Element().With("initiator", "somebody@else/x"),
	} {
		want := p.askXML(t, bare.LocalAddr(), el)
		for _, to := range []jid.JID{juliet, client.link.LocalAddr()} {
			if got := p.askXML(t, to, el); got == nil || got.Element().String() != want.Element().String() {
				t.Errorf("%s answered %v to %s; who knows no Jingle answers %v", to, got, el, want)
			}
		}
	}
	if len(b.incoming)+len(p.got) > 0 {
		t.Error("a session came of it")
	}
}

// XEP-0166 §6.3.2 and Error Handling.
func TestErrorsOfXEP0166(t *testing.T) {
	r := linktest.NewRouter()
	p, b := joinRaw(t, r, romeoJID), join(t, r, julietJID, nil)

	for _, a := range []Action{SessionAccept, SessionInfo, SessionTerminate, SecurityInfo, TransportInfo} {
		if e := p.ask(t, juliet, of("none", a)); !is(e, xmpp.ItemNotFound, "unknown-session") {
			t.Errorf("%s for an unknown session: %v", a, e)
		}
	}
	if e := p.askXML(t, juliet, xmpp.NewElement(NS, "jingle")); !is(e, xmpp.BadRequest, "") {
		t.Errorf("malformed: %v", e)
	}
	empty := offerOf("1")
	empty.Contents = nil
	if e := p.ask(t, juliet, empty); !is(e, xmpp.BadRequest, "") {
		t.Errorf("offer without content: %v", e)
	}
	theirs := offerOf("1")
	theirs.Contents[0].Creator = "responder"
	if e := p.ask(t, juliet, theirs); !is(e, xmpp.BadRequest, "") {
		t.Errorf("offer of somebody else's content: %v", e)
	}

	s := offeredTo(t, p, b, "1")
	if e := p.ask(t, juliet, offerOf("1")); !is(e, xmpp.UnexpectedRequest, "out-of-order") {
		t.Errorf("second session-initiate: %v", e)
	}
	for _, a := range []Action{SessionAccept, SecurityInfo} {
		if e := p.ask(t, juliet, of("1", a)); !is(e, xmpp.UnexpectedRequest, "out-of-order") {
			t.Errorf("%s while pending: %v", a, e)
		}
	}
	if e := p.ask(t, juliet, of("1", SessionInfo)); e != nil {
		t.Errorf("ping: %v", e)
	}
	ringing := of("1", SessionInfo)
	ringing.Info = []*xmpp.Element{xmpp.NewElement("urn:test", "ringing")}
	if e := p.ask(t, juliet, ringing); !is(e, xmpp.FeatureNotImplemented, "unsupported-info") {
		t.Errorf("session-info with a payload: %v", e)
	}
	other := of("1", SessionInfo)
	other.NS = NS0
	if e := p.ask(t, juliet, other); e == nil || e.Condition != xmpp.ItemNotFound {
		t.Errorf("the session in another namespace: %v", e)
	}
	if s.Err() != nil {
		t.Fatalf("the session ended: %v", s.Err())
	}

	if e := p.ask(t, juliet, of("1", SessionTerminate)); e != nil {
		t.Errorf("terminate: %v", e)
	}
	if e := ended(t, s); !e.ByPeer {
		t.Errorf("ended: %v", e)
	}
	// XEP-0166 §6.7: an ended session is unknown.
	if e := p.ask(t, juliet, of("1", SessionTerminate)); !is(e, xmpp.ItemNotFound, "unknown-session") {
		t.Errorf("terminate twice: %v", e)
	}
}

// What would change a session's contents is refused, and the session goes on.
func TestUnsupportedActions(t *testing.T) {
	r := linktest.NewRouter()
	p, b := joinRaw(t, r, romeoJID), join(t, r, julietJID, nil)
	s := offeredTo(t, p, b, "1")
	if err := s.Accept(t.Context(), s.Offer()[0]); err != nil {
		t.Fatal(err)
	}
	p.next(t, SessionAccept)
	for _, tt := range []struct {
		action         Action
		condition, app string
		answer         Action
	}{
		{ContentAdd, "", "", ContentReject},
		{TransportReplace, "", "", TransportReject},
		{TransportInfo, xmpp.FeatureNotImplemented, "unsupported-info", ""},
		{DescriptionInfo, xmpp.FeatureNotImplemented, "unsupported-info", ""},
		{ContentModify, xmpp.FeatureNotImplemented, "", ""},
		{Action("new-action"), xmpp.FeatureNotImplemented, "", ""},
		{ContentAccept, xmpp.UnexpectedRequest, "out-of-order", ""},
		{ContentReject, xmpp.UnexpectedRequest, "out-of-order", ""},
		{TransportAccept, xmpp.UnexpectedRequest, "out-of-order", ""},
		{TransportReject, xmpp.UnexpectedRequest, "out-of-order", ""},
	} {
		j := of("1", tt.action)
		j.Contents = []Content{content()}
		e := p.ask(t, juliet, j)
		if tt.condition == "" && e != nil || tt.condition != "" && !is(e, tt.condition, tt.app) {
			t.Errorf("%s: %v", tt.action, e)
		}
		if tt.answer == "" {
			continue
		}
		if a := p.next(t, tt.answer); len(a.Contents) != 1 || a.Contents[0].Name != "xmlstream" || a.Reason == nil {
			t.Errorf("%s answered with %+v", tt.action, a)
		}
	}
	if s.Err() != nil {
		t.Fatalf("the session ended: %v", s.Err())
	}
	if e := p.ask(t, juliet, of("1", ContentRemove)); e != nil {
		t.Errorf("content-remove: %v", e)
	}
	p.next(t, SessionTerminate)
	ended(t, s)
}

// DESIGN §3, Who is who: an initiator or responder that differs from the stanza's addresses ends the
// session. It is acknowledged and ended with security-error, nothing more.
func TestInitiatorOrResponderThatDiffers(t *testing.T) {
	somebody := jid.MustParse("romeo@montague.net/orchard")
	for name, forge := range map[string]func(*Jingle){
		"initiator":                   func(j *Jingle) { j.Initiator = somebody },
		"initiator without resource":  func(j *Jingle) { j.Initiator = romeo.Bare() },
		"responder":                   func(j *Jingle) { j.Responder = somebody },
		"responder is the initiator":  func(j *Jingle) { j.Responder = romeo },
		"initiator is the responder":  func(j *Jingle) { j.Initiator = juliet },
		"responder, another resource": func(j *Jingle) { j.Responder = jid.MustParse("juliet@capulet.lit/other") },
	} {
		t.Run(name, func(t *testing.T) {
			r := linktest.NewRouter()
			p, b := joinRaw(t, r, romeoJID), join(t, r, julietJID, nil)
			j := offerOf("1")
			forge(j)
			if e := p.ask(t, juliet, j); e != nil {
				t.Errorf("offer: %v", e)
			}
			if end := p.next(t, SessionTerminate); end.Reason.Condition != SecurityError || end.Reason.Text != "" || end.Reason.App != nil {
				t.Errorf("offer: ended with %+v", end.Reason)
			}
			if len(b.incoming) > 0 {
				t.Error("offer: a session came of it")
			}

			s := offeredTo(t, p, b, "2")
			info := of("2", SessionInfo)
			forge(info)
			if e := p.ask(t, juliet, info); e != nil {
				t.Errorf("session-info: %v", e)
			}
			if end := p.next(t, SessionTerminate); end.Reason.Condition != SecurityError {
				t.Errorf("session-info: ended with %+v", end.Reason)
			}
			if e := ended(t, s); e.ByPeer || !errors.Is(e, errIdentity) {
				t.Errorf("session-info: %v", e)
			}
		})
	}
}

func TestResponderOfAnAcceptThatDiffers(t *testing.T) {
	r := linktest.NewRouter()
	a, p := join(t, r, romeoJID, nil), joinRaw(t, r, julietJID)
	s, err := a.m.Initiate(t.Context(), juliet, content())
	if err != nil {
		t.Fatal(err)
	}
	accept := p.next(t, SessionInitiate)
	accept.Action, accept.Responder = SessionAccept, jid.MustParse("juliet@capulet.com/balcony")
	if e := p.ask(t, romeo, accept); e != nil {
		t.Errorf("accept: %v", e)
	}
	if _, err := s.Accepted(t.Context()); !errors.Is(err, errIdentity) {
		t.Errorf("accepted: %v", err)
	}
	if end := p.next(t, SessionTerminate); end.Reason.Condition != SecurityError {
		t.Errorf("ended with %+v", end.Reason)
	}
}

func TestAcceptOfWhatWasNotOffered(t *testing.T) {
	for name, change := range map[string]func(*Jingle){
		"another name":    func(j *Jingle) { j.Contents[0].Name = "other" },
		"another creator": func(j *Jingle) { j.Contents[0].Creator = "responder" },
		"nothing":         func(j *Jingle) { j.Contents = nil },
	} {
		t.Run(name, func(t *testing.T) {
			r := linktest.NewRouter()
			a, p := join(t, r, romeoJID, nil), joinRaw(t, r, julietJID)
			s, err := a.m.Initiate(t.Context(), juliet, content())
			if err != nil {
				t.Fatal(err)
			}
			accept := p.next(t, SessionInitiate)
			accept.Action = SessionAccept
			change(accept)
			if e := p.ask(t, romeo, accept); e != nil {
				t.Errorf("accept: %v", e)
			}
			if _, err := s.Accepted(t.Context()); !errors.Is(err, errContent) {
				t.Errorf("accepted: %v", err)
			}
			p.next(t, SessionTerminate)
		})
	}
}

// DESIGN §3, Who is who: sessions are keyed by (peer's full JID, id).
func TestNobodyElseTouchesASession(t *testing.T) {
	r := linktest.NewRouter()
	a, b := join(t, r, romeoJID, nil), join(t, r, julietJID, nil)
	mine, theirs := between(t, a, b)
	for _, address := range []string{"romeo@montague.lit/other", "eve@x/y"} {
		p := joinRaw(t, r, address)
		for _, act := range []Action{SessionTerminate, SecurityInfo, SessionInfo} {
			if e := p.ask(t, juliet, of(mine.SID(), act)); !is(e, xmpp.ItemNotFound, "unknown-session") {
				t.Errorf("%s by %s: %v", act, address, e)
			}
		}
		// It is free to use the same sid for a session of its own.
		j := offerOf(mine.SID())
		j.Initiator = jid.MustParse(address)
		if e := p.ask(t, juliet, j); e != nil {
			t.Errorf("own session of %s: %v", address, e)
		}
		if s := within(t, b.incoming); s == theirs || !s.Peer().Equal(j.Initiator) {
			t.Errorf("session with %s", s.Peer())
		}
	}
	if mine.Err() != nil || theirs.Err() != nil {
		t.Errorf("ended: %v, %v", mine.Err(), theirs.Err())
	}
}

// DESIGN §5, Unbounded anything.
func TestCapsOnSessions(t *testing.T) {
	r := linktest.NewRouter()
	b := join(t, r, julietJID, func(c *Config) { c.MaxSessions, c.MaxPerPeer = 5, 3 })
	offer := func(address, sid string) *xmpp.Error {
		p := joinRaw(t, r, address)
		j := offerOf(sid)
		j.Initiator = jid.MustParse(address)
		return p.ask(t, juliet, j)
	}
	for i := range 4 {
		e := offer(fmt.Sprintf("eve@x/%d", i), "1") // resources do not help
		if i < 3 && e != nil || i == 3 && !is(e, xmpp.ResourceConstraint, "") {
			t.Errorf("session %d of one peer: %v", i, e)
		}
	}
	for i := range 3 {
		e := offer(fmt.Sprintf("eve%d@x/y", i), "1")
		if i < 2 && e != nil || i == 2 && !is(e, xmpp.ResourceConstraint, "") {
			t.Errorf("session %d in total: %v", i+3, e)
		}
	}
	within(t, b.incoming).Terminate(Reason{Condition: Decline})
	if e := offer("late@x/y", "1"); e != nil {
		t.Errorf("after one has ended: %v", e)
	}
}

func TestFloodOfSecurityInfos(t *testing.T) {
	r := linktest.NewRouter()
	p, b := joinRaw(t, r, romeoJID), join(t, r, julietJID, nil)
	s := offeredTo(t, p, b, "1")
	if err := s.Accept(t.Context(), s.Offer()[0]); err != nil {
		t.Fatal(err)
	}
	info := of("1", SecurityInfo)
	info.Contents = []Content{{Creator: "initiator", Name: "xmlstream"}}
	if e := p.ask(t, juliet, info); !is(e, xmpp.BadRequest, "") {
		t.Errorf("security-info without <security/>: %v", e)
	}
	info.Contents[0].Security = (&Security{Methods: []string{MethodX509}}).Element()
	for i := range maxPendingInfos + 1 {
		e := p.ask(t, juliet, info)
		if i < maxPendingInfos && e != nil || i == maxPendingInfos && !is(e, xmpp.UnexpectedRequest, "out-of-order") {
			t.Errorf("security-info %d: %v", i, e)
		}
	}
	if e := ended(t, s); !errors.Is(e, ErrTooMany) {
		t.Errorf("ended: %v", e)
	}
}

// A peer of 2009 is answered in its own namespaces, with the repaired examples of jingle-xtls.
func TestSessionOf2009(t *testing.T) {
	r := linktest.NewRouter()
	p, b := joinRaw(t, r, romeoJID), join(t, r, julietJID, nil)
	if e := p.askXML(t, juliet, fixture(t, "seed-session-initiate.xml").Payload[0]); e != nil {
		t.Fatal(e)
	}
	s := within(t, b.incoming)
	if s.Namespace() != NS0 {
		t.Errorf("namespace %s", s.Namespace())
	}
	if err := s.Accept(t.Context(), s.Offer()[0]); err != nil {
		t.Fatal(err)
	}
	if j := p.next(t, SessionAccept); j.NS != NS0 || !j.Responder.Equal(juliet) || !j.Initiator.Equal(romeo) {
		t.Errorf("accept %s", j.Element())
	}
	infos := make(chan Content, 1)
	s.OnSecurityInfo(func(c Content) { infos <- c })
	if e := p.askXML(t, juliet, fixture(t, "seed-security-info.xml").Payload[0]); e != nil {
		t.Fatal(e)
	}
	within(t, infos)
	wrong := of(s.SID(), SessionAccept)
	wrong.NS = NS0
	if e := p.ask(t, juliet, wrong); e == nil || !e.App.Is(NSErrors0, "out-of-order") {
		t.Errorf("error %v", e)
	}
	if e := p.askXML(t, juliet, fixture(t, "seed-session-terminate.xml").Payload[0]); e != nil {
		t.Fatal(e)
	}
	if e := ended(t, s); !e.ByPeer || e.Reason.Condition != SecurityError {
		t.Errorf("ended: %v", e)
	}
}
