package xtls_test

import (
	"context"
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/linktest"
	"xtls-agent/xtls"
	"xtls-agent/xtls/jingle"
)

// DESIGN §3, for the initiator: what an accept may not be. The session ends with security-error and no PIN is asked for.
func TestInitiatorJudgesTheAccept(t *testing.T) {
	keep := func(s string) string { return s }
	for name, tt := range map[string]struct {
		security func(known, other string) string
		change   func(string) string
		want     error // by x509; nil: any
	}{
		"no <security/>":               {func(string, string) string { return "" }, keep, xtls.ErrNotAuthentic},
		"no method":                    {func(k, _ string) string { return secured(k) }, keep, xtls.ErrNotKnown},
		"no fingerprint":               {func(string, string) string { return secured("", "x509") }, keep, xtls.ErrNotAuthentic},
		"unknown certificate":          {func(_, o string) string { return secured(o, "x509") }, keep, xtls.ErrNotAuthentic},
		"fingerprint of another kind":  {func(string, string) string { return secured("<fingerprint algo='md5'>00</fingerprint>", "x509") }, keep, xtls.ErrNotAuthentic},
		"two fingerprints":             {func(k, o string) string { return secured(k+o, "x509") }, keep, nil},
		"another transport's sid":      {func(k, _ string) string { return secured(k, "x509") }, change("ibb:1' block-size='4096' sid='", "ibb:1' block-size='4096' sid='other"), nil},
		"the transport of 2009":        {func(k, _ string) string { return secured(k, "x509") }, change("ibb:1", "ibb:0"), nil},
		"larger blocks":                {func(k, _ string) string { return secured(k, "x509") }, change("4096", "8192"), nil},
		"another application":          {func(k, _ string) string { return secured(k, "x509") }, change("apps:xmlstream:0", "apps:rtp:1"), nil},
		"responder is somebody else":   {func(k, _ string) string { return secured(k, "x509") }, change("responder='box@", "responder='fox@"), nil},
		"offered method not accepted":  {func(k, _ string) string { return secured(k, "srp") }, keep, xtls.ErrNotKnown},
		"openpgp in the place of x509": {func(k, _ string) string { return secured(k, "openpgp") }, keep, xtls.ErrNotKnown},
	} {
		t.Run(name, func(t *testing.T) {
			owner, r := visiting(t)
			done := owner.opens(t, "")
			offer := r.next(jingle.SessionInitiate)
			// A fingerprint is judged when the handshake starts.
			if _, err := r.ibb.Expect(romeo, offer.Contents[0].Transport.Attr("sid"), 4096); err != nil {
				t.Fatal(err)
			}
			r.must(romeo, tt.change(today.accept(offer, tt.security(sha256Of(r.id), sha256Of(owner.id)))))
			for r.nextAction() != "session-terminate" {
			}
			if o := r.result(done); o.err == nil || tt.want != nil && !errors.Is(o.err, tt.want) {
				t.Errorf("%v, want %v", o.err, tt.want)
			}
		})
	}
}

func change(from, to string) func(string) string {
	return func(s string) string { return strings.Replace(s, from, to, 1) }
}

// An SRP initiator asks for the PIN only once the peer has agreed, and to nothing less than srp.
func TestNoPINPromptWithoutAgreement(t *testing.T) {
	for name, security := range map[string]string{
		"no <security/>": "", "x509": secured("", "x509"), "nothing": secured(""),
	} {
		t.Run(name, func(t *testing.T) {
			owner, r := visiting(t)
			done := make(chan error, 1)
			go func() {
				_, err := owner.end.OpenSRP(context.Background(), box, xtls.PIN{Ask: func(context.Context) (string, error) {
					t.Error("the user was asked for a PIN")
					return "", errors.New("no")
				}})
				done <- err
			}()
			r.must(romeo, today.accept(r.next(jingle.SessionInitiate), security))
			r.wantSecurityError()
			if err := <-done; err == nil {
				t.Error("it opened")
			}
		})
	}
}

// A person who gives up cancels: that is nobody's security error.
func TestUserGivesUp(t *testing.T) {
	owner, r := visiting(t)
	done, errGone := make(chan error, 1), errors.New("the user went away")
	go func() {
		_, err := owner.end.OpenSRP(context.Background(), box, xtls.PIN{Ask: func(context.Context) (string, error) { return "", errGone }})
		done <- err
	}()
	r.must(romeo, today.accept(r.next(jingle.SessionInitiate), secured("", "srp")))
	if j := r.next(jingle.SessionTerminate); j.Reason.Condition != jingle.Cancel {
		t.Errorf("the peer was told %s", j.Element())
	}
	if err := <-done; !errors.Is(err, errGone) {
		t.Error(err)
	}
}

// A hint belongs to the method that was offered: of pairing nobody speaks to a call, and to pair is no
// question of being known.
func TestHintsCountOnlyForTheirMethod(t *testing.T) {
	for _, tt := range []struct {
		hint, pin string
		want      error
	}{
		{"not-pairing", "", xtls.ErrNotKnown}, {"locked", "", xtls.ErrNotKnown}, {"too-many", "", xtls.ErrNotKnown},
		{"not-known", "", xtls.ErrNotKnown}, {"nonsense", "", xtls.ErrRefused},
		{"not-pairing", testPIN, xtls.ErrNotPairing}, {"locked", testPIN, xtls.ErrLocked}, {"too-many", testPIN, xtls.ErrTooMany},
		{"not-known", testPIN, xtls.ErrRefused}, {"nonsense", testPIN, xtls.ErrRefused},
	} {
		owner, r := visiting(t)
		done := owner.opens(t, tt.pin)
		offer := r.next(jingle.SessionInitiate)
		r.must(romeo, strings.Replace(today.message("session-terminate", "",
			"<reason><decline/><"+tt.hint+" xmlns='urn:xtls-agent:pairing:0'/></reason>"), "'s1'", "'"+offer.SID+"'", 1))
		if o := r.result(done); !errors.Is(o.err, tt.want) {
			t.Errorf("%s, PIN %q: %v, want %v", tt.hint, tt.pin, o.err, tt.want)
		}
	}
}

// tamperer changes the text of messages of an action, on the server.
func tamperer(action, from, to string) *linktest.Router {
	router := linktest.NewRouter()
	router.Tamper = func(st *xmpp.Stanza) []*xmpp.Stanza {
		if st.IsRequest() && st.Payload[0].Attr("action") == action {
			text := strings.ReplaceAll(st.Payload[0].String(), from, to)
			el, err := xmpp.ParseElement([]byte(text), xmpp.Limits{})
			if err != nil {
				panic(err)
			}
			st.Payload[0] = el
		}
		return []*xmpp.Stanza{st}
	}
	return router
}

// An evil server between two that are sound can keep them apart, and can do no more: they never end up with something
// weaker than what they meant.
func TestServerThatTampers(t *testing.T) {
	const none = "<nothing xmlns='urn:example:x'/>"
	for name, tt := range map[string]struct {
		action, from, to string
		opens            bool
	}{
		"method stripped from the offer":       {"session-initiate", "<method name='x509'/>", "", false},
		"method of the offer made srp":         {"session-initiate", "name='x509'", "name='srp'", false},
		"srp added to the offer":               {"session-initiate", "<method name='x509'/>", "<method name='srp'/><method name='x509'/>", true},
		"method stripped from the accept":      {"session-accept", "<method name='x509'/>", "", false},
		"method of the accept made srp":        {"session-accept", "name='x509'", "name='srp'", false},
		"srp added to the accept":              {"session-accept", "<method name='x509'/>", "<method name='srp'/><method name='x509'/>", true},
		"security stripped from the offer":     {"session-initiate", "security:xtls:0", "security:none", false},
		"security stripped from the accept":    {"session-accept", "security:xtls:0", "security:none", false},
		"fingerprint stripped from the offer":  {"session-initiate", "fingerprint", "x", false},
		"fingerprint stripped from the accept": {"session-accept", "fingerprint", "x", false},
		"choice made srp":                      {"security-info", "name='x509'", "name='srp'", false},
		"choice stripped":                      {"security-info", "<method name='x509'/>", "", false},
		"something added":                      {"session-accept", "<method ", none + "<method ", true},
	} {
		t.Run(name, func(t *testing.T) {
			w := openWindow()
			device, owner := couple(t, tamperer(tt.action, tt.from, tt.to), w)
			pair(device, owner)
			c, err := owner.end.OpenX509(t.Context(), box)
			if tt.opens != (err == nil) {
				t.Fatalf("opened: %v", err)
			}
			if err == nil {
				defer c.Close()
				echo(t, c, "hello")
				if got := <-device.conns; got.Method != xtls.X509 {
					t.Errorf("by %s", got.Method)
				}
			}
			w.want(t, 0)
		})
	}
}

// TLS can be done before the news that the device has refused the choice: then too there is no session. That is a race, so it is run often.
func TestRefusedChoiceOpensNothing(t *testing.T) {
	for range 15 {
		device, owner := couple(t, tamperer("security-info", "name='x509'", "name='srp'"), openWindow())
		pair(device, owner)
		if c, err := owner.end.OpenX509(t.Context(), box); err == nil {
			_ = c.Close()
			t.Fatal("opened")
		}
	}
}

// A rewritten fingerprint, on either side, even one that is pinned for the same account, is found in the
// handshake: the announced certificate is not the one that is shown.
func TestRewrittenFingerprint(t *testing.T) {
	for _, action := range []string{"session-initiate", "session-accept"} {
		t.Run(action, func(t *testing.T) {
			router := linktest.NewRouter()
			var from, to string
			router.Tamper = func(st *xmpp.Stanza) []*xmpp.Stanza {
				if st.IsRequest() && st.Payload[0].Attr("action") == action {
					el, _ := xmpp.ParseElement([]byte(strings.ReplaceAll(st.Payload[0].String(), from, to)), xmpp.Limits{})
					st.Payload[0] = el
				}
				return []*xmpp.Stanza{st}
			}
			device, owner := couple(t, router, nil)
			pair(device, owner)
			other := newSide(t, router, "other@home.example/x", nil)
			device.pins.add(romeo.Bare().String(), other.id.DER())
			owner.pins.add(box.Bare().String(), other.id.DER())
			shown := map[string]*side{"session-initiate": owner, "session-accept": device}[action]
			f, g := shown.id.Fingerprint(), other.id.Fingerprint()
			from, to = hex.EncodeToString(f[:]), hex.EncodeToString(g[:])
			c, err := owner.end.OpenX509(t.Context(), box)
			if action == "session-initiate" && err == nil { // a TLS 1.3 client finishes first
				_ = c.SetReadDeadline(time.Now().Add(patience))
				if _, err = c.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
					t.Error("the device keeps the connection")
				}
				_ = c.Close()
			}
			if err == nil || action == "session-accept" && !errors.Is(err, xtls.ErrNotAuthentic) {
				t.Errorf("opened: %v", err)
			}
			if len(device.conns) > 0 {
				t.Error("the device serves it")
			}
		})
	}
}
