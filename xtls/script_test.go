package xtls_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/trust"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/linktest"
	"xtls-agent/xtls"
	"xtls-agent/xtls/jingle"
	"xtls-agent/xtls/jingle/ibb"
)

var (
	box   = jid.MustParse(boxJID)
	romeo = jid.MustParse(ownerJID)
)

// patience is how long a test waits for what must come.
const patience = 8 * time.Second

// rogue is a peer that keeps no rule but its test's: its Jingle is written by hand.
type rogue struct {
	t       *testing.T
	id      *trust.Identity
	session *xmpp.Session
	ibb     *ibb.Manager
	got     chan *jingle.Jingle // what it was sent, and has acknowledged
	xml     chan string         // the same, as it came
	held    chan *xmpp.Request  // where security-infos wait for an answer; nil: they get it
}

func newRogue(t *testing.T, router *linktest.Router, address string) *rogue {
	t.Helper()
	id, err := trust.NewIdentity("rogue", time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r := &rogue{t: t, id: id, got: make(chan *jingle.Jingle, 64), xml: make(chan string, 64)}
	r.session = xmpp.NewSession(router.Connect(address), nil)
	r.ibb = ibb.NewManager(r.session, ibb.Config{})
	for _, ns := range []string{jingle.NS, jingle.NS0} {
		r.session.HandleIQ(xmpp.Set, ns, "jingle", func(_ context.Context, req *xmpp.Request) {
			j, err := jingle.Parse(req.Payload[0])
			if err == nil && j.Action == jingle.SecurityInfo && r.held != nil {
				r.held <- req
			} else {
				req.Reply()
			}
			if err == nil {
				r.xml <- req.Payload[0].String()
				r.got <- j
			}
		})
	}
	linktest.Serve(t, r.session)
	t.Cleanup(r.ibb.Close)
	return r
}

// say sends an element and returns the error with which it was answered.
func (r *rogue) say(to jid.JID, text string) error {
	r.t.Helper()
	el, err := xmpp.ParseElement([]byte(text), xmpp.Limits{})
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err = r.session.Request(ctx, xmpp.Set, to, el)
	return err
}

// must is say for what has to be acknowledged.
func (r *rogue) must(to jid.JID, text string) {
	r.t.Helper()
	if err := r.say(to, text); err != nil {
		r.t.Fatalf("%s\nwas answered with %v", text, err)
	}
}

// next returns the next message that came; it has to be of that action.
func (r *rogue) next(want jingle.Action) *jingle.Jingle {
	r.t.Helper()
	select {
	case j := <-r.got:
		if text := <-r.xml; j.Action != want {
			r.t.Fatalf("want %s, got %s", want, text)
		}
		return j
	case <-time.After(patience):
		r.t.Fatalf("no %s came", want)
	}
	return nil
}

// nextAction returns the action of the next message; a session-terminate must be a security-error.
func (r *rogue) nextAction() string {
	r.t.Helper()
	select {
	case j := <-r.got:
		if text := <-r.xml; j.Action == jingle.SessionTerminate && !strings.HasSuffix(text, "><reason><security-error/></reason></jingle>") {
			r.t.Errorf("the peer was told %s", text)
		}
		return string(j.Action)
	case <-time.After(patience):
		r.t.Fatal("nothing came")
	}
	return ""
}

// wantSecurityError waits for the session's end: DESIGN §3, Failures: to the peer session-terminate with
// <security-error/> and nothing more.
func (r *rogue) wantSecurityError() {
	r.t.Helper()
	select {
	case text := <-r.xml:
		if <-r.got; !strings.Contains(text, "action='session-terminate'") || !strings.HasSuffix(text, "><reason><security-error/></reason></jingle>") {
			r.t.Errorf("the peer was told %s", text)
		}
	case <-time.After(patience):
		r.t.Error("the session did not end")
	}
}

// A talk is one session of a rogue's, spelt in the namespaces of today or of 2009.
type talk struct{ jingle, transport string }

var (
	today = talk{jingle.NS, ibb.NSTransport}
	of09  = talk{jingle.NS0, ibb.NSTransport0}
)

// message returns a <jingle/>. who goes into its attributes.
func (k talk) message(action, who, body string) string {
	return fmt.Sprintf(`<jingle xmlns='%s' action='%s' sid='s1' %s>%s</jingle>`, k.jingle, action, who, body)
}

func (k talk) content(security string) string {
	return `<content creator='initiator' name='xmlstream'>` + security + `<description xmlns='urn:xmpp:jingle:apps:xmlstream:0'/>` +
		`<transport xmlns='` + k.transport + `' block-size='4096' sid='t1'/></content>`
}

func (k talk) offer(security string) string {
	return k.message("session-initiate", "initiator='"+ownerJID+"'", k.content(security))
}

// accept answers the offer that came with an accept of its transport.
func (k talk) accept(offer *jingle.Jingle, security string) string {
	text := k.message("session-accept", "responder='"+boxJID+"'", k.content(security))
	text = strings.Replace(text, "sid='s1'", "sid='"+offer.SID+"'", 1)
	return strings.Replace(text, "sid='t1'", "sid='"+offer.Contents[0].Transport.Attr("sid")+"'", 1)
}

func (k talk) info(security string) string {
	return k.message("security-info", "", `<content creator='initiator' name='xmlstream'>`+security+`</content>`)
}

// security writes a <security/>. A fingerprint that is empty is left out.
func secured(fingerprint string, methods ...string) string {
	s := `<security xmlns='urn:xmpp:jingle:security:xtls:0'>`
	if fingerprint != "" {
		s += fingerprint
	}
	for _, m := range methods {
		s += `<method name='` + m + `'/>`
	}
	return s + `</security>`
}

func sha256Of(id *trust.Identity) string {
	f := id.Fingerprint()
	return `<fingerprint algo='sha-256'>` + hex.EncodeToString(f[:]) + `</fingerprint>`
}

// transport opens the bytestream as that of the talk is opened.
func (r *rogue) transport(k talk, to jid.JID) *ibb.Conn {
	r.t.Helper()
	open := func() (*ibb.Conn, error) { return r.ibb.Open(r.t.Context(), to, "t1", 4096) }
	if k == of09 {
		open = func() (*ibb.Conn, error) { return r.ibb.Attach(to, "t1", 4096) }
	}
	c, err := open()
	if err != nil {
		r.t.Fatal(err)
	}
	for k != of09 && c.Heard().IsZero() { // the other side has agreed
		time.Sleep(time.Millisecond)
	}
	return c
}

// tls13 is a client as any TLS library makes one, that shows the rogue's certificate.
func (r *rogue) tls13() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{r.id.Certificate}, InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}
}

// proves runs the TLS client and says whether the device took it: it echoes what it is told.
func (r *rogue) proves(conn net.Conn, cfg *tls.Config) error {
	c := tls.Client(conn, cfg)
	_ = c.SetDeadline(time.Now().Add(patience))
	if err := c.Handshake(); err != nil {
		return err
	}
	if _, err := c.Write([]byte("are you there")); err != nil {
		return err
	}
	got := make([]byte, 13)
	if _, err := c.Read(got); err != nil {
		return err
	}
	if !bytes.HasPrefix([]byte("are you there"), bytes.TrimRight(got, "\x00")) {
		return fmt.Errorf("read %q", got)
	}
	return nil
}

// visited returns a device and a rogue that is its owner's client.
func visited(t *testing.T, gate xtls.Gate) (*side, *rogue) {
	t.Helper()
	router := linktest.NewRouter()
	device, r := newSide(t, router, boxJID, gate), newRogue(t, router, ownerJID)
	device.pins.add(romeo.Bare().String(), r.id.DER())
	return device, r
}

// visiting returns an owner that trusts a device, and a rogue in the device's place.
func visiting(t *testing.T) (*side, *rogue) {
	t.Helper()
	router := linktest.NewRouter()
	owner, r := newSide(t, router, ownerJID, nil), newRogue(t, router, boxJID)
	owner.pins.add(box.Bare().String(), r.id.DER())
	return owner, r
}

// outcome is what an opening ended with.
type outcome struct {
	conn *xtls.Conn
	err  error
}

// opens starts opening a connection, by x509 or, with a PIN, by srp.
func (s *side) opens(t *testing.T, pin string) <-chan outcome {
	done := make(chan outcome, 1)
	var wg sync.WaitGroup
	wg.Go(func() {
		var o outcome
		if pin == "" {
			o.conn, o.err = s.end.OpenX509(context.Background(), box)
		} else {
			o.conn, o.err = s.end.OpenSRP(context.Background(), box, pinOf(pin))
		}
		done <- o
	})
	t.Cleanup(func() {
		s.end.Close()
		wg.Wait()
	})
	return done
}

func (r *rogue) result(done <-chan outcome) outcome {
	r.t.Helper()
	select {
	case o := <-done:
		if o.conn != nil {
			r.t.Cleanup(func() { _ = o.conn.Close() })
		}
		return o
	case <-time.After(patience):
		r.t.Fatal("opening did not end")
	}
	return outcome{}
}

// takes accepts what an owner offers, and returns the transport that it opened.
func (r *rogue) takes(security string) *ibb.Conn {
	r.t.Helper()
	offer := r.next(jingle.SessionInitiate)
	pending, err := r.ibb.Expect(romeo, offer.Contents[0].Transport.Attr("sid"), 4096)
	if err != nil {
		r.t.Fatal(err)
	}
	r.must(romeo, today.accept(offer, security))
	r.next(jingle.SecurityInfo)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pending.Accept(ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	return conn
}
