package xtls_test

import (
	"crypto/sha1"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/linktest"
	"xtls-agent/xtls"
	"xtls-agent/xtls/jingle"
)

// spellings are the ways in which fingerprints are written out there.
func spellings(der, sum []byte) map[string]string {
	lower := hex.EncodeToString(sum)
	colons := strings.ToUpper(strings.Join(pairs(lower), ":"))
	old := sha1.Sum(der)
	return map[string]string{
		"ours":                       `<fingerprint algo='sha-256'>` + lower + `</fingerprint>`,
		"no algo":                    `<fingerprint>` + lower + `</fingerprint>`,
		"upper case with colons":     `<fingerprint algo='SHA-256'>` + colons + `</fingerprint>`,
		"Gajim's of 2010, SHA-1":     `<fingerprint>` + strings.ToUpper(strings.Join(pairs(hex.EncodeToString(old[:])), ":")) + `</fingerprint>`,
		"SHA-1 by name":              `<fingerprint algo='sha-1'>` + hex.EncodeToString(old[:]) + `</fingerprint>`,
		"line ends":                  "<fingerprint>\n  " + lower + "\n</fingerprint>",
		"after siblings of no sense": `<method name='openpgp'/><x xmlns='urn:example:x'/><fingerprint>` + lower + `</fingerprint>`,
	}
}

func pairs(s string) (out []string) {
	for ; s != ""; s = s[2:] {
		out = append(out, s[:2])
	}
	return out
}

// DESIGN §3: read leniently: any case, with or without colons, algo missing, unknown methods and siblings, any order.
func TestResponderReadsFingerprintsLeniently(t *testing.T) {
	for name, text := range spellings(nil, nil) {
		t.Run(name, func(t *testing.T) {
			device, r := visited(t, nil)
			sum := r.id.Fingerprint()
			text = spellings(r.id.DER(), sum[:])[name]
			r.must(box, today.offer(secured(text, "x509")))
			sec := acceptedSecurity(t, r.next(jingle.SessionAccept))
			own := device.id.Fingerprint()
			if sec.Fingerprint == nil || sec.Fingerprint.Hex != hex.EncodeToString(own[:]) || sec.Fingerprint.Algo != "sha-256" {
				t.Errorf("its own fingerprint: %+v", sec.Fingerprint)
			}
			r.must(box, today.info(secured("", "x509")))
			if err := r.proves(r.transport(today, box), r.tls13()); err != nil {
				t.Error(err)
			}
			// A SHA-1 only looks up a stored certificate; a pin is always the SHA-256.
			if got := (<-device.conns).Pin; got != [32]byte(sum) {
				t.Errorf("pin %x", got)
			}
		})
	}
}

func acceptedSecurity(t *testing.T, j *jingle.Jingle) *jingle.Security {
	t.Helper()
	if len(j.Contents) != 1 || j.Contents[0].Security == nil {
		t.Fatalf("accepted without <security/>")
	}
	sec, err := jingle.ParseSecurity(j.Contents[0].Security)
	if err != nil {
		t.Fatal(err)
	}
	return sec
}

// DESIGN §3, Negotiation: the accept lists x509, with its fingerprint, if it trusts the initiator's certificate for that
// bare JID, and srp, if a window is open to this peer; if neither holds it declines, with an element of ours.
func TestResponderGrantsWhatHolds(t *testing.T) {
	const known, unknown, none = "known", "unknown", "none"
	for name, tt := range map[string]struct {
		print   string // which certificate is announced
		gate    error
		methods []string // offered
		want    []string // accepted; nil: declined
		hint    string
	}{
		"both hold":                        {known, nil, []string{"x509", "srp"}, []string{"x509", "srp"}, ""},
		"both hold, the other way round":   {known, nil, []string{"srp", "x509"}, []string{"x509", "srp"}, ""},
		"only x509 is offered":             {known, nil, []string{"x509"}, []string{"x509"}, ""},
		"only srp is offered":              {known, nil, []string{"srp"}, []string{"srp"}, ""},
		"no window":                        {known, xtls.ErrNotPairing, []string{"x509", "srp"}, []string{"x509"}, ""},
		"unknown certificate":              {unknown, nil, []string{"x509", "srp"}, []string{"srp"}, ""},
		"no fingerprint":                   {none, nil, []string{"x509", "srp"}, []string{"srp"}, ""},
		"openpgp besides":                  {known, nil, []string{"openpgp", "x509"}, []string{"x509"}, ""},
		"openpgp alone":                    {known, nil, []string{"openpgp"}, nil, "not-known"},
		"no method":                        {known, nil, nil, nil, "not-known"},
		"unknown certificate, x509 only":   {unknown, nil, []string{"x509"}, nil, "not-known"},
		"no fingerprint, x509 only":        {none, nil, []string{"x509"}, nil, "not-known"},
		"neither holds":                    {unknown, xtls.ErrNotPairing, []string{"x509", "srp"}, nil, "not-pairing"},
		"locked":                           {unknown, xtls.ErrLocked, []string{"srp"}, nil, "locked"},
		"too many":                         {unknown, xtls.ErrTooMany, []string{"srp"}, nil, "too-many"},
		"known JID that may not try":       {known, xtls.ErrRefused, []string{"srp"}, nil, ""},
		"an error of the gate's own stays": {known, errors.New("the disk is full"), []string{"srp"}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := openWindow()
			w.admit = tt.gate
			device, r := visited(t, w)
			text := map[string]string{known: sha256Of(r.id), unknown: sha256Of(device.id)}[tt.print]
			r.must(box, today.offer(secured(text, tt.methods...)))
			if tt.want == nil {
				wantDeclined(t, r.next(jingle.SessionTerminate), tt.hint)
				return
			}
			sec := acceptedSecurity(t, r.next(jingle.SessionAccept))
			if diff := cmp.Diff(tt.want, sec.Methods); diff != "" {
				t.Error(diff)
			}
			if got, want := sec.Fingerprint != nil, tt.want[0] == "x509"; got != want {
				t.Errorf("fingerprint given: %v", got)
			}
			w.want(t, 0) // an offer costs nothing
		})
	}
}

func wantDeclined(t *testing.T, j *jingle.Jingle, hint string) {
	t.Helper()
	want := &jingle.Reason{Condition: jingle.Decline}
	if hint != "" {
		want.App = xmpp.NewElement("urn:xtls-agent:pairing:0", hint)
	}
	if j.Reason == nil || j.Reason.Condition != want.Condition || j.Reason.Text != "" {
		t.Fatalf("ended with %+v", j.Reason)
	}
	var got xml.Name
	if j.Reason.App != nil {
		got = j.Reason.App.Name
	}
	if want.App == nil && got != (xml.Name{}) || want.App != nil && got != want.App.Name {
		t.Errorf("declined with %v, want %q", got, hint)
	}
}

// DESIGN §3: an xmlstream offer without <security/> is acknowledged and ended with security-error.
func TestResponderEndsAnOfferWithoutSecurity(t *testing.T) {
	_, r := visited(t, openWindow())
	r.must(box, today.offer(""))
	r.wantSecurityError()
}

// Two different fingerprints: nobody could tell which is meant.
func TestResponderEndsAnAmbiguousOffer(t *testing.T) {
	device, r := visited(t, openWindow())
	r.must(box, today.offer(secured(sha256Of(r.id)+sha256Of(device.id), "x509")))
	r.wantSecurityError()
}

// DESIGN §3, Failures: a peer that may not try at all gets <service-unavailable/>, as from an entity that does not
// know Jingle: the answers are the same to the letter.
func TestWhoMayNotTryFindsNoJingle(t *testing.T) {
	for name, gate := range map[string]xtls.Gate{"no gate": nil, "refused": &window{admit: xtls.ErrRefused}} {
		t.Run(name, func(t *testing.T) {
			router := linktest.NewRouter()
			newSide(t, router, boxJID, gate)
			plain := newRogue(t, router, "plain@home.example/x")
			r := newRogue(t, router, ownerJID)
			for _, text := range []string{
				today.offer(secured(sha256Of(r.id), "x509", "srp")),
				of09.offer(secured("", "srp")),
				today.offer(""), today.info(secured("", "srp")), today.message("nonsense", "", ""),
				`<jingle xmlns='urn:xmpp:jingle:1'/>`,
			} {
				got := r.say(box, text)
				other := r.say(plain.session.LocalAddr(), strings.ReplaceAll(text, "<jingle xmlns='", "<jingle xmlns='urn:example:"))
				if diff := cmp.Diff(other.Error(), got.Error()); diff != "" {
					t.Errorf("%s\n%s", text, diff)
				}
				var a, b *xmpp.Error
				if !errors.As(got, &a) || !errors.As(other, &b) || a.Element().String() != b.Element().String() {
					t.Errorf("%s: told apart: %v, %v", text, a, b)
				}
			}
		})
	}
}

// DESIGN §3, Who is who: the peer is the stanza's from; an initiator or responder that differs ends the session.
func TestWhoIsWhoOfAnOffer(t *testing.T) {
	for name, who := range map[string]string{
		"initiator": "initiator='juliet@capulet.lit/balcony'",
		"resource":  "initiator='romeo@montague.lit/balcony'",
		"responder": "initiator='" + ownerJID + "' responder='box@elsewhere.example/tv'",
	} {
		t.Run(name, func(t *testing.T) {
			_, r := visited(t, openWindow())
			r.must(box, today.message("session-initiate", who, today.content(secured(sha256Of(r.id), "x509"))))
			r.wantSecurityError()
		})
	}
	t.Run("later", func(t *testing.T) {
		_, r := visited(t, openWindow())
		r.must(box, today.offer(secured(sha256Of(r.id), "x509")))
		r.next(jingle.SessionAccept)
		info := strings.Replace(today.info(secured("", "x509")), " >", " initiator='juliet@capulet.lit/balcony'>", 1)
		r.must(box, info)
		r.wantSecurityError()
	})
}

// The certificate of one account proves nothing for another, whatever the account announces.
func TestTrustIsByBareJID(t *testing.T) {
	router := linktest.NewRouter()
	device, r := newSide(t, router, boxJID, nil), newRogue(t, router, ownerJID)
	device.pins.add("juliet@capulet.lit", r.id.DER())
	device.pins.add(romeo.Bare().String(), device.id.DER()) // so that it finds Jingle
	r.must(box, today.offer(secured(sha256Of(r.id), "x509")))
	wantDeclined(t, r.next(jingle.SessionTerminate), "not-known")
}

// What is no XML stream over IBB is refused by Jingle's own conditions.
func TestOfferOfSomethingElse(t *testing.T) {
	for condition, change := range map[string][2]string{
		jingle.UnsupportedApplication: {"apps:xmlstream:0", "apps:rtp:1"},
		jingle.UnsupportedTransports:  {"transports:ibb:1", "transports:s5b:1"},
		jingle.FailedTransport:        {"block-size='4096'", "block-size='0'"},
	} {
		_, r := visited(t, nil)
		r.must(box, strings.Replace(today.offer(secured(sha256Of(r.id), "x509")), change[0], change[1], 1))
		if j := r.next(jingle.SessionTerminate); j.Reason == nil || j.Reason.Condition != condition {
			t.Errorf("%v: %+v", change, j.Reason)
		}
	}
}

// DESIGN §5: how much a peer may send unread hangs on the size of blocks: larger ones than ours are not accepted.
func TestBlocksAreOfOurSize(t *testing.T) {
	_, r := visited(t, nil)
	r.must(box, strings.Replace(today.offer(secured(sha256Of(r.id), "x509")), "4096", "65535", 1))
	if j := r.next(jingle.SessionAccept); j.Contents[0].Transport.Attr("block-size") != "4096" {
		t.Errorf("accepted %s", j.Element())
	}
}
