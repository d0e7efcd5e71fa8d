package evil

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/control"
	"xtls-agent/owner"
	"xtls-agent/pairing"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/adhoc"
	"xtls-agent/xmpp/stream"
	"xtls-agent/xtls"
)

// A guest who is removed while he does something does not go on: his session, his command and his window end at once.
func TestRemovedGuestDoesNotGoOn(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		started, ended := make(chan struct{}), make(chan struct{})
		slow := control.Command{Name: "slow", Timeout: time.Hour, Run: func(ctx context.Context, _ control.Call) (control.Result, error) {
			close(started)
			<-ctx.Done()
			close(ended)
			return control.Result{}, ctx.Err() // as a program that is ended
		}}
		g := newGuests(t, slow)
		idle := g.mustOpen(g.paul)
		defer idle.Close()
		came := make(chan error, 1)
		go func() { came <- g.paul.call(t.Context(), "slow", nil) }()
		<-started
		stranger := startPhone(t, g.server, "juliet@home.example/x")
		if err := run(t.Context(), idle, "pair", owner.Values{"allow": {stranger.bare().String()}}); err != nil {
			t.Fatal(err)
		}
		pin := g.box.freshPIN()
		began := time.Now()
		if err := g.romeo.call(t.Context(), "owners", owner.Values{"remove": {g.paul.bare().String()}}); err != nil {
			t.Fatal(err)
		}
		<-ended
		if err := <-came; err == nil {
			t.Error("the command of a guest who was removed came to its end")
		}
		if err := run(t.Context(), idle, "status", nil); err == nil {
			t.Error("the open session of a guest who was removed goes on")
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("it ended after %v", took)
		}
		for _, p := range []*phone{stranger, g.paul} {
			if err := p.pairWith(t.Context(), pin); err == nil {
				t.Errorf("%s paired in the window of a guest who was removed", p.full)
			}
			if err := p.open(t.Context(), boxJID); err == nil {
				t.Errorf("%s opens a session", p.full)
			}
		}
		g.mustBeOwnedBy(g.romeo, g.tybalt, g.nurse)
	})
}

// pairWith pairs with box by a PIN that was seen on its display.
func (p *phone) pairWith(ctx context.Context, pin string) error {
	pairing, err := p.Pair(ctx, owner.Request{Device: jid.MustParse(boxJID), PIN: func(context.Context) (owner.PIN, error) {
		return owner.ParsePIN(pin)
	}})
	if err == nil {
		pairing.Session.Close()
	}
	return err
}

// raw opens a guest's session by x509 for words of his own.
func (g *guests) raw(p *phone) (*xtls.Conn, xmpp.Link) {
	g.t.Helper()
	a := startAttackerWith(g.t, g.connect(p.bare().String()+"/raw"), p.keys.Identity, nil)
	c, err := a.end.OpenX509(g.t.Context(), jid.MustParse(boxJID))
	if err != nil {
		g.t.Fatal(err)
	}
	link, err := stream.Client(g.t.Context(), c, stream.Config{Local: c.Local.Bare(), Remote: c.Peer.Bare(), Strict: true})
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = link.Close() })
	return c, link
}

// The peer of a session is who opened it, whatever his stanzas say: the admin's name on them gives a guest no rights.
func TestGuestSpeaksInTheAdminsName(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		g := newGuests(t)
		c, link := g.raw(g.paul)
		say := func(id, command string) *xmpp.Stanza {
			text := fmt.Sprintf("<iq type='set' id='%s' from='romeo@home.example' to='box@home.example'>%s</iq>", id, command)
			if _, err := c.Write([]byte(text)); err != nil {
				t.Fatal(err)
			}
			for { // news of owners may come between
				st, err := link.ReadStanza()
				if err != nil {
					t.Fatal(err)
				}
				if st.ID == id {
					return st
				}
			}
		}
		const command = "<command xmlns='http://jabber.org/protocol/commands' node='owners' "
		asked := say("1", command+"action='execute'/>")
		session := asked.Child(adhoc.NS, "command").Attr("sessionid")
		if session == "" {
			t.Fatalf("the weapon does not work: %s", asked.Element())
		}
		done := say("2", command+"action='complete' sessionid='"+session+"'><x xmlns='jabber:x:data' type='submit'>"+
			"<field var='remove'><value>tybalt@home.example</value></field></x></command>")
		if !strings.Contains(done.Element().String(), "admin") {
			t.Errorf("to remove another guest in the admin's name: %s", done.Element())
		}
		g.mustBeOwnedBy(g.all()...)
	})
}

// What stands on an owner's session is what DESIGN §2 names, and nothing else answers there.
func TestGuestFindsNothingElse(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		g := newGuests(t)
		_, link := g.raw(g.paul)
		s := xmpp.NewSession(link, nil)
		var served sync.WaitGroup
		served.Go(func() { _ = s.Serve(context.Background()) })
		defer served.Wait()
		defer s.Close()
		if err := s.Ping(t.Context(), jid.JID{}); err != nil {
			t.Fatalf("the weapon does not work: %v", err)
		}
		certificate := pairing.Pubkeys(pairing.NSPubkeysTmp, g.nurse.keys.Identity.DER())
		for what, try := range map[string]struct {
			typ     string
			payload *xmpp.Element
		}{
			"to give it a certificate":      {xmpp.Set, certificate},
			"to give it one as a question":  {xmpp.Get, xmpp.NewElement("urn:xmpp:pubkey:2", "pubkeys", certificate)},
			"to pair inside":                {xmpp.Set, xmpp.NewElement("urn:xmpp:jingle:1", "jingle").With("action", "session-initiate").With("sid", "x")},
			"a bytestream inside":           {xmpp.Set, xmpp.NewElement("http://jabber.org/protocol/ibb", "open").With("sid", "x").With("block-size", "4096")},
			"to publish":                    {xmpp.Set, xmpp.NewElement("http://jabber.org/protocol/pubsub", "pubsub")},
			"the device's roster":           {xmpp.Get, xmpp.NewElement("jabber:iq:roster", "query")},
			"to take away its account":      {xmpp.Set, xmpp.NewElement("jabber:iq:register", "query", xmpp.NewElement("jabber:iq:register", "remove"))},
			"what stands in its store":      {xmpp.Get, xmpp.NewElement("jabber:iq:private", "query")},
			"a command outside of commands": {xmpp.Set, xmpp.NewElement("urn:xtls-agent:pairing:0", "open")},
		} {
			if got, err := s.Request(t.Context(), try.typ, jid.JID{}, try.payload); err == nil {
				t.Errorf("%s: %s", what, got.Element())
			}
		}
		g.mustBeOwnedBy(g.all()...)
	})
}

// localCommands lists what the device's local socket offers, as it says itself.
func localCommands(t *testing.T) (names []string) {
	t.Helper()
	d := newDevice(t, newServer(), boxJID)
	d.start()
	var conn net.Conn
	waitFor(t, "the local socket", func() bool {
		if _, err := os.Stat(d.cfg.Socket()); err != nil {
			return false
		}
		var err error
		conn, err = net.Dial("unix", d.cfg.Socket())
		return err == nil
	})
	link, err := stream.Client(t.Context(), conn, stream.Config{Local: jid.MustParse("user@localhost"), Remote: jid.MustParse("device@localhost")})
	if err != nil {
		t.Fatal(err)
	}
	s := xmpp.NewSession(link, nil)
	var served sync.WaitGroup
	served.Go(func() { _ = s.Serve(context.Background()) })
	defer served.Wait()
	defer s.Close()
	items, err := adhoc.List(t.Context(), s, s.RemoteAddr())
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range items {
		names = append(names, item.Node)
	}
	d.stop()
	return names
}
