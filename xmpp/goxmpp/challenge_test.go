package goxmpp

import (
	"encoding/base64"
	"encoding/xml"
	"errors"
	"strings"
	"testing"
	"time"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/internal/account"
)

// The library takes any number of iterations (RFC 5802 §5.1: few make the password cheap to guess, many keep us busy), so
// nothing that it may read as a challenge reaches it unless it is good.
func TestBadChallenges(t *testing.T) {
	const open = "<challenge xmlns='" + nsSASL + "'>"
	weak := func(nonce string) string { return "r=" + nonce + "x,s=c2FsdA==,i=1" }
	in64 := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	for name, challenge := range map[string]func(nonce, good string) []string{
		"one iteration": func(n, _ string) []string { return []string{asChallenge(weak(n))} },
		"a billion":     func(n, _ string) []string { return []string{asChallenge("r=" + n + "x,s=c2FsdA==,i=1000000000")} },
		"no iterations": func(n, _ string) []string { return []string{asChallenge("r=" + n + "x,s=c2FsdA==")} },
		"twice":         func(_, good string) []string { return []string{asChallenge(good + ",i=1")} },
		"empty":         func(_, _ string) []string { return []string{"<challenge xmlns='" + nsSASL + "'/>"} },
		"a prefix": func(n, _ string) []string {
			return []string{"<a:challenge xmlns:a='" + nsSASL + "'>" + in64(weak(n)) + "</a:challenge>"}
		},
		"an entity": func(n, _ string) []string {
			return []string{open + strings.Replace(in64(weak(n)), "c", "&#99;", 1) + "</challenge>"}
		},
		"a comment": func(n, _ string) []string { return []string{open + "<!-- -->" + in64(weak(n)) + "</challenge>"} },
		"CDATA":     func(n, _ string) []string { return []string{open + "<![CDATA[" + in64(weak(n)) + "]]></challenge>"} },
		"in a value": func(n, _ string) []string {
			return []string{"<challenge a='>' xmlns='" + nsSASL + "'>" + in64(weak(n)) + "</challenge>"}
		},
		"byte for byte": func(n, _ string) []string {
			return strings.Split(asChallenge(weak(n)), "")
		},
		"newlines that the library does not tell of": func(n, _ string) []string {
			return []string{"<challenge", "\n", "xmlns='" + nsSASL + "'\n", ">" + in64(weak(n)) + "</challenge", "\n", ">"}
		},
		"in the shadow of a good one": func(n, good string) []string {
			return []string{"<!--" + asChallenge(good) + "-->" + asChallenge(weak(n))}
		},
		"endless": func(_, _ string) []string { return []string{open + strings.Repeat("A", 2*maxChallenge)} },
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, &server{challenge: challenge})
			start := time.Now()
			_, err := Dial(t.Context(), s.config("romeo"))
			var refused refusal
			if !errors.As(err, &refused) || errors.Is(err, xmpp.ErrNotAuthorized) || time.Since(start) > 5*time.Second {
				t.Errorf("%v after %v", err, time.Since(start))
			}
			s.stop()
			if s.proofs > 0 {
				t.Error("the client answered")
			}
		})
	}
}

// However the network cuts a good challenge, it is one.
func TestChallengeInPieces(t *testing.T) {
	s := newServer(t, &server{challenge: func(_, good string) []string { return strings.Split(asChallenge(good), "") }})
	connect(t, s, s.config("romeo"))
}

// What is let through holds no bad challenge in the eyes of the parser that the library uses.
func FuzzChallenges(f *testing.F) {
	good, weak := asChallenge("r=noncex,s=c2FsdA==,i=4096"), asChallenge("r=noncex,s=c2FsdA==,i=1")
	for _, seed := range []string{
		good, weak, good + weak, "<!--" + good + "-->" + weak, "<!-- <challenge -->" + weak, "<challenge/>", "<a b='>'/>" + good,
		strings.Replace(weak, "<challenge", "<a:challenge", 1), strings.Replace(weak, "'>", "'><!-- -->", 1), "<challenge a='/>'>",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if unfinished, err := checkChallenges([]byte(text)); err != nil || unfinished != nil {
			return
		}
		d := xml.NewDecoder(strings.NewReader("<stream>" + text))
		for {
			token, err := d.Token()
			if err != nil {
				return
			}
			start, ok := token.(xml.StartElement)
			if !ok || start.Name.Local != "challenge" {
				continue
			}
			var body struct {
				Text string `xml:",chardata"`
			}
			if d.DecodeElement(&body, &start) != nil {
				return
			}
			first, err := base64.StdEncoding.DecodeString(body.Text)
			if err == nil {
				err = account.CheckChallenge(first, nil)
			}
			if err != nil {
				t.Errorf("%q holds %q: %v", text, body.Text, err)
			}
		}
	})
}
