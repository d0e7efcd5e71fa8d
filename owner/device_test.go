package owner

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/pairing"
	"xtls-agent/trust"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/linktest"
	"xtls-agent/xtls"
)

// The two sides of these tests, which have paired before.
var me, box = jid.MustParse("romeo@montague.lit/orchard"), jid.MustParse("box@home.example/tv")

// oddDevice puts a device on a router whose stream inside is whatever serve makes of it, and returns an owner that has
// enrolled it, and not yet confirmed.
func oddDevice(t *testing.T, serve func(*xtls.Conn)) *Owner {
	t.Helper()
	keys, err := LoadKeyring(trust.NewMemStore(), "phone", time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id, err := trust.NewIdentity("box", time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	err = keys.Devices.AddProvisional(trust.Record{JID: box.Bare(), DER: id.DER(), Created: time.Now(), Link: trust.Server})
	if err != nil {
		t.Fatal(err)
	}
	owners, err := trust.LoadPeers(trust.NewMemStore(), "owners", trust.Owners)
	if err != nil {
		t.Fatal(err)
	}
	err = owners.AddProvisional(trust.Record{JID: me.Bare(), DER: keys.Identity.DER(), Created: time.Now(), Link: trust.Server})
	if err != nil {
		t.Fatal(err)
	}
	router := linktest.NewRouter()
	s := xmpp.NewSession(router.Connect(box.String()), nil)
	end := xtls.New(s, xtls.Config{
		Certificate: id.Certificate, Trust: pairing.Trust(owners),
		Serve: func(_ context.Context, c *xtls.Conn) { serve(c) },
	})
	go func() { _ = s.Serve(context.Background()) }()
	t.Cleanup(func() { end.Close(); _ = s.Close(); <-s.Done() })
	o := New(router.Connect(me.String()), keys, Config{})
	t.Cleanup(o.Close)
	return o
}

// answering returns a device's part of the stream: its header, and an answer to each ping.
func answering(header string) func(*xtls.Conn) {
	return func(c *xtls.Conn) {
		in := bufio.NewReader(c)
		for n := 0; n < 2; n++ { // the declaration and the header
			if _, err := in.ReadString('>'); err != nil {
				return
			}
		}
		_, _ = io.WriteString(c, "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0' "+header)
		for {
			tag, err := in.ReadString('>')
			if err != nil {
				return
			}
			if _, rest, ok := strings.Cut(tag, " id='"); ok {
				id, _, _ := strings.Cut(rest, "'")
				fmt.Fprintf(c, "<iq type='result' id='%s'/>", id)
			}
		}
	}
}

func isConfirmed(o *Owner) bool { return o.keys.Devices.All()[0].State == trust.Confirmed }

// XEP-0246: the device's header names both sides as the person meant them; nothing else is a session.
func TestOwnerWantsAStrictHeader(t *testing.T) {
	for header, opens := range map[string]bool{
		"from='box@home.example' to='romeo@montague.lit'>":            true,
		"from='box@home.example'>":                                    false,
		"to='romeo@montague.lit'>":                                    false,
		"from='other@home.example' to='romeo@montague.lit'>":          false,
		"from='box@home.example' to='juliet@montague.lit'>":           false,
		"from='box@home.example/tv' to='romeo@montague.lit/orchard'>": false,
	} {
		o := oddDevice(t, answering(header))
		s, err := o.Open(t.Context(), box)
		if (err == nil) != opens || isConfirmed(o) != opens {
			t.Errorf("%s: %v; confirmed: %v", header, err, isConfirmed(o))
		}
		if err == nil {
			s.Close()
		}
	}
}

// A TLS 1.3 client is done before the server has judged its certificate. So a device counts as paired when its header
// has arrived and it has answered, and not before.
func TestOpenMeansProven(t *testing.T) {
	for name, serve := range map[string]func(*xtls.Conn){
		"ends without a header": func(*xtls.Conn) {},
		"header, and no answer": func(c *xtls.Conn) {
			_, _ = io.WriteString(c, "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0' "+
				"from='box@home.example' to='romeo@montague.lit'></stream:stream>")
		},
	} {
		o := oddDevice(t, serve)
		s, err := o.Open(t.Context(), box)
		if err == nil {
			s.Close()
		}
		if err == nil || isConfirmed(o) {
			t.Errorf("%s: %v; confirmed: %v", name, err, isConfirmed(o))
		}
	}
}

// jingle-xtls, Exchanging Certificates: not over a stream that is not secured end to end.
func TestPubkeysAreRefusedOnTheLink(t *testing.T) {
	keys, err := LoadKeyring(trust.NewMemStore(), "phone", time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	router := linktest.NewRouter()
	o := New(router.Connect(me.String()), keys, Config{})
	defer o.Close()
	s := xmpp.NewSession(router.Connect(box.String()), nil)
	go func() { _ = s.Serve(context.Background()) }()
	defer func() { _ = s.Close(); <-s.Done() }()
	_, err = s.Request(t.Context(), xmpp.Get, me, xmpp.NewElement(pairing.NSPubkeysTmp, "pubkeys"))
	var refused *xmpp.Error
	if !errors.As(err, &refused) || refused.Condition != xmpp.NotAcceptable {
		t.Errorf("%v", err)
	}
}

// Whoever shows himself, it is remembered in bounds.
func TestResourcesAreBounded(t *testing.T) {
	paired := jid.MustParse("lamp@home.example")
	w := newWatcher(paired.Equal)
	shows := func(format string, args ...any) {
		t.Helper()
		w.handle(t.Context(), &xmpp.Request{Stanza: &xmpp.Stanza{Kind: xmpp.Presence, From: jid.MustParse(fmt.Sprintf(format, args...))}})
	}
	done := w.seek(box)
	for i := range 3 * maxResources {
		for _, format := range []string{"box@home.example/r%d", "lamp@home.example/r%d", "b%d@home.example/r", "eve@home.example/r%d"} {
			shows(format, i)
		}
	}
	strangers := 0
	for _, list := range w.online {
		strangers += len(list)
	}
	for _, bare := range []jid.JID{box, paired} {
		online, _ := w.resources(bare)
		if strangers -= len(online); len(online) != maxResources {
			t.Errorf("%d resources of %s", len(online), bare)
		}
	}
	if strangers > maxResources {
		t.Errorf("%d resources of strangers", strangers)
	}
	if done(); len(w.sought) != 0 {
		t.Errorf("looks for %v still", w.sought)
	}
}

// Whoever fills the room there is for strangers hides no device: neither one that is paired, nor one that is looked for, be it there
// already or not.
func TestStrangersHideNoDevice(t *testing.T) {
	paired := jid.MustParse("lamp@home.example/tv")
	w := newWatcher(paired.Bare().Equal)
	shows := func(from jid.JID) {
		w.handle(t.Context(), &xmpp.Request{Stanza: &xmpp.Stanza{Kind: xmpp.Presence, From: from}})
	}
	shows(paired)
	for i := range 2 * maxResources {
		shows(jid.MustParse(fmt.Sprintf("b%d@evil.example/r", i)))
	}
	sought := jid.MustParse("box@home.example/tv")
	defer w.seek(sought)()
	for _, full := range []jid.JID{paired, sought, paired} {
		shows(full)
		if online, _ := w.resources(full); len(online) != 1 {
			t.Errorf("%s is there as %v", full, online)
		}
	}
}
