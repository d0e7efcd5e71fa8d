package agent

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/control"
	"xtls-agent/owner"
	"xtls-agent/pairing"
	"xtls-agent/trust"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/adhoc"
	"xtls-agent/xmpp/form"
	"xtls-agent/xmpp/lan"
	"xtls-agent/xtls"
)

// openLinkTo is a session with the device on the LAN, on which nothing is proven. heard gets what the device sends.
func openLinkTo(t *testing.T, b *box, as string, mount func(*xmpp.Session), heard chan<- *xmpp.Stanza) *xmpp.Session {
	t.Helper()
	link, err := lan.Dial(t.Context(), b.addr, jid.MustParse(as))
	if err != nil {
		t.Fatal(err)
	}
	s := xmpp.NewSession(overheard{link, heard}, nil)
	mount(s)
	go func() { _ = s.Serve(context.Background()) }()
	t.Cleanup(func() { _ = s.Close(); <-s.Done() })
	return s
}

// overheard is a link whose stanzas somebody else gets too.
type overheard struct {
	*lan.Link
	heard chan<- *xmpp.Stanza // may be nil
}

func (o overheard) ReadStanza() (*xmpp.Stanza, error) {
	st, err := o.Link.ReadStanza()
	if err == nil && o.heard != nil {
		o.heard <- st
	}
	return st, err
}

// The spine: what a peer may do is decided by which handlers stand on its session. Who has proven nothing finds neither
// commands nor the device's certificate.
func TestOpenLinksHaveNeitherCommandsNorCertificates(t *testing.T) {
	b := startBox(t, trust.NewMemStore(), lamp)
	s := openLinkTo(t, b, "eve@pc", func(*xmpp.Session) {}, nil)
	if items, err := adhoc.List(t.Context(), s, jid.JID{}); err == nil && len(items) > 0 {
		t.Errorf("an open link lists %v", items)
	}
	if _, err := adhoc.Execute(t.Context(), s, jid.JID{}, "lamp", func(*form.Form) (form.Values, error) {
		return form.Values{"state": {"on"}}, nil
	}); err == nil {
		t.Error("an open link switched the lamp")
	}
	for _, ns := range []string{pairing.NSPubkeys, pairing.NSPubkeysTmp} {
		_, err := s.Request(t.Context(), xmpp.Get, jid.JID{}, xmpp.NewElement(ns, "pubkeys"))
		var refused *xmpp.Error
		if !errors.As(err, &refused) || refused.Condition != xmpp.NotAcceptable {
			t.Errorf("pubkeys on an open link: %v", err)
		}
	}
}

const openingTag = `<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0' `

// XEP-0246: the end-to-end header carries from and to, and they are the bare JIDs of the Jingle session. To who does not
// write them the device says nothing there, not even its own header, and in Jingle security-error.
func TestDeviceWantsAStrictHeader(t *testing.T) {
	b := startBox(t, trust.NewMemStore(), "")
	keys := newKeys(t, "phone")
	pairOn(t, b, keys, "romeo@phone").Session.Close()
	box := string(b.agent.life.address().Bare().String())
	for header, opens := range map[string]bool{
		"from='romeo@phone' to='" + box + "'>":     true,
		"to='" + box + "'>":                        false,
		"from='romeo@phone'>":                      false,
		"from='juliet@phone' to='" + box + "'>":    false,
		"from='romeo@phone' to='other@box'>":       false,
		"from='romeo@phone/pda' to='" + box + "'>": false,
	} {
		heard := make(chan *xmpp.Stanza, 1000)
		var end *xtls.Endpoint
		s := openLinkTo(t, b, "romeo@phone", func(s *xmpp.Session) {
			end = xtls.New(s, xtls.Config{Certificate: keys.Identity.Certificate, Trust: pairing.Trust(keys.Devices)})
		}, heard)
		conn, err := end.OpenX509(t.Context(), s.RemoteAddr())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, openingTag+header); err != nil {
			t.Fatal(err)
		}
		n, err := conn.Read(make([]byte, 1))
		if (n > 0) != opens {
			t.Errorf("%s: %d bytes, %v", header, n, err)
		}
		if !opens && !saidSecurityError(heard) {
			t.Errorf("%s: no security-error", header)
		}
		_ = conn.Close()
		end.Close()
	}
}

func saidSecurityError(heard <-chan *xmpp.Stanza) bool {
	for limit := time.After(5 * time.Second); ; {
		select {
		case st := <-heard:
			if len(st.Payload) > 0 && strings.Contains(st.Payload[0].String(), "security-error") {
				return true
			}
		case <-limit:
			return false
		}
	}
}

// Who is not paired opens nothing, and who answers under another JID is not the device: nobody is asked for a PIN.
func TestOwnersProgramKnowsWhomItMeans(t *testing.T) {
	b := startBox(t, trust.NewMemStore(), "")
	o := dial(t, b, newKeys(t, "phone"), "romeo@phone")
	if _, err := o.OpenDirect(t.Context()); !errors.Is(err, owner.ErrNotPaired) {
		t.Errorf("an unpaired device was opened: %v", err)
	}
	_, err := o.Pair(t.Context(), owner.Request{Device: jid.MustParse("other@box"), PIN: func(context.Context) (pairing.PIN, error) {
		t.Error("asked for a PIN")
		return pairing.PIN{}, errors.New("none")
	}})
	if !errors.Is(err, owner.ErrNotADevice) {
		t.Errorf("another device was taken for it: %v", err)
	}
}

// "I was removed" must not wait for a command to end: what runs of a removed owner ends with his rights.
func TestRemovalEndsRunningCommands(t *testing.T) {
	for name, sessionEnds := range map[string]bool{"on his session": false, "on one that has ended": true} {
		t.Run(name, func(t *testing.T) { removeWhoseCommandRuns(t, sessionEnds) })
	}
}

func removeWhoseCommandRuns(t *testing.T, sessionEnds bool) {
	running, ended := make(chan struct{}), make(chan struct{})
	b := startBox(t, trust.NewMemStore(), "", func(e *Env) {
		e.Commands = []control.Command{{Name: "wait", Run: func(ctx context.Context, _ control.Call) (control.Result, error) {
			close(running)
			<-ctx.Done()
			close(ended)
			return control.Result{}, ctx.Err()
		}}}
	})
	p := pairOn(t, b, newKeys(t, "phone"), "romeo@phone")
	defer p.Session.Close()
	go func() { _, _ = p.Session.Call(context.Background(), "wait", nil) }()
	<-running
	l := b.agent.life
	peers := l.memory.owners
	if sessionEnds {
		p.Session.Close()
		waitFor(t, "the session ends", func() bool { return sessionsOpen(l.sessions) == 0 })
	}
	select {
	case <-ended:
		t.Fatal("the command ended before its owner was removed")
	default:
	}
	if err := peers.Remove(trust.AtTheBox(), peers.All()[0].Key()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(15 * time.Second): // its time limit is 30 s
		t.Error("the command of a removed owner runs on")
	}
}

func sessionsOpen(s *sessions) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

// While unowned and without a server of its own, the device shows itself to nobody there but to whom a window names, and
// approves nobody's subscription before he is confirmed.
func TestStrangersSeeNothing(t *testing.T) {
	b := startBox(t, trust.NewMemStore(), "")
	l := b.agent.life
	eve, guest := jid.MustParse("eve@evil.example"), jid.MustParse("juliet@home.example")
	if _, err := l.Open(t.Context(), control.Actor{Local: true}, control.Allow{JIDs: []jid.JID{guest}}); err != nil {
		t.Fatal(err)
	}
	l.guests.asked(eve)
	if l.guests.mayAsk(eve) || l.guests.owes() {
		t.Error("a stranger's request is kept, or answered")
	}
	half := record(t, "romeo@home.example")
	if err := l.memory.owners.AddProvisional(half); err != nil {
		t.Fatal(err)
	}
	l.guests.welcome(half.JID)
	if l.guests.owes() {
		t.Error("a subscription is approved before pairing is confirmed")
	}
	l.guests.asked(guest)
	if !l.guests.mayAsk(guest) || !l.guests.owes() {
		t.Error("a guest of the window is not answered")
	}
}

// owes reports whether there is something to say to somebody.
func (g *guests) owes() bool { return len(g.work)+len(g.asking.waiting) > 0 }

// A PIN is good for one try: after a wrong one the owner's program asks for no other, and tries nothing by itself.
func TestAPINIsAskedForOnce(t *testing.T) {
	b := startBox(t, trust.NewMemStore(), "")
	right := b.screen.lastPIN(t)
	asked := 0
	_, err := dial(t, b, newKeys(t, "phone"), "romeo@phone").Pair(t.Context(), owner.Request{PIN: func(context.Context) (pairing.PIN, error) {
		asked++
		return pairing.ParsePIN(strings.Map(func(r rune) rune { return '0' + (r-'0'+1)%10 }, strings.ReplaceAll(right, " ", "")))
	}})
	if !errors.Is(err, owner.ErrWrongPIN) || asked != 1 {
		t.Errorf("%v; asked %d times", err, asked)
	}
}
