package c2s_test

import (
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/c2s"
)

// There is no PLAIN: the password is not even asked for.
func TestPasswordIsNeverSent(t *testing.T) {
	h := newHost(t)
	for _, offered := range [][]string{{"PLAIN"}, {"PLAIN", "DIGEST-MD5", "X-OAUTH2", "EXTERNAL"}, {}} {
		_, err := h.dial(t, func(f *fake) { f.header(mechanisms(offered...)); f.read(); t.Error("the client went on") }, func(cfg *c2s.Config) {
			cfg.Password = func() (string, error) { t.Error("the password was asked for"); return "", nil }
		})
		wantIs(t, err, c2s.ErrNoMechanism)
	}
}

func TestPasswordCannotBeRead(t *testing.T) {
	h := newHost(t)
	_, err := h.dial(t, func(f *fake) { f.login() }, func(cfg *c2s.Config) {
		cfg.Password = func() (string, error) { return "", io.ErrNoProgress }
	})
	wantIs(t, err, io.ErrNoProgress)
}

// PEERS.md: ejabberd 23.01 offers a channel binding that does not verify.
func TestChannelBindingThatDoesNotVerify(t *testing.T) {
	h := newHost(t)
	for name, closes := range map[string]bool{"goes on": false, "closes": true} {
		t.Run(name, func(t *testing.T) {
			var tries []string
			l, err := h.dial(t, func(f *fake) {
				f.header(mechanisms("SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"))
				auth := f.read()
				tries = append(tries, auth.Attr("mechanism"))
				if auth.Attr("mechanism") == "SCRAM-SHA-256-PLUS" {
					f.refuse("not-authorized")
					if closes {
						return
					}
					auth = f.read()
					tries = append(tries, auth.Attr("mechanism"))
				}
				f.scram(auth, "secret")
				f.bind()
			})
			if err != nil {
				t.Fatal(err)
			}
			_ = l.Close()
			if got := strings.Join(tries, " "); got != "SCRAM-SHA-256-PLUS SCRAM-SHA-256" {
				t.Errorf("tried %s", got)
			}
		})
	}
}

// A wrong password fails with channel binding and without, and is one failure.
func TestWrongPasswordWithChannelBinding(t *testing.T) {
	h := newHost(t)
	_, err := h.dial(t, func(f *fake) {
		f.header(mechanisms("SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"))
		for range 2 {
			f.read()
			f.refuse("not-authorized")
		}
	})
	wantIs(t, err, xmpp.ErrNotAuthorized)
}

// XEP-0440: the server says which channel bindings it can do.
func TestChannelBindingIsTheServersToOffer(t *testing.T) {
	h := newHost(t)
	list := func(types ...string) *xmpp.Element {
		el := xmpp.NewElement("urn:xmpp:sasl-cb:0", "sasl-channel-binding")
		for _, typ := range types {
			el.Add(xmpp.NewElement("urn:xmpp:sasl-cb:0", "channel-binding").With("type", typ))
		}
		return el
	}
	for want, listed := range map[string]*xmpp.Element{
		"SCRAM-SHA-256": list("tls-server-end-point", "tls-unique"), "SCRAM-SHA-256-PLUS": list("tls-unique", "tls-exporter"),
	} {
		var got string
		_, _ = h.dial(t, func(f *fake) {
			f.header(mechanisms("SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"), listed)
			got = f.read().Attr("mechanism")
			f.refuse("temporary-auth-failure")
		})
		if got != want {
			t.Errorf("with %v: %s", listed, got)
		}
	}
}

// The server must prove that it knows the password too, or it is not the server.
func TestServerMustProveItself(t *testing.T) {
	h := newHost(t)
	for name, success := range map[string]string{
		"no proof":    "",
		"wrong proof": base64.StdEncoding.EncodeToString([]byte("v=" + base64.StdEncoding.EncodeToString(make([]byte, 32)))),
		"an error":    base64.StdEncoding.EncodeToString([]byte("e=other-error")),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := h.dial(t, func(f *fake) {
				f.header(mechanisms("SCRAM-SHA-256"))
				nonce := f.nonce(f.read())
				f.challenge("r=" + nonce + "x,s=c2FsdA==,i=4096")
				f.read()
				f.write(xmpp.NewText(nsSASL, "success", success))
				f.bind()
				t.Error("the client went on")
			})
			wantText(t, err, "did not prove")
		})
	}
}

func (f *fake) nonce(auth *xmpp.Element) string {
	first, err := base64.StdEncoding.DecodeString(auth.Text())
	f.must(err)
	_, nonce, _ := strings.Cut(string(first), ",r=")
	return nonce
}

func (f *fake) challenge(s string) {
	f.write(xmpp.NewText(nsSASL, "challenge", base64.StdEncoding.EncodeToString([]byte(s))))
}

// RFC 4422 §5: the signature may come in a last challenge, before an empty success.
func TestSignatureInAChallenge(t *testing.T) {
	h := newHost(t)
	l, err := h.dial(t, func(f *fake) {
		f.header(mechanisms("SCRAM-SHA-256"))
		f.scramNamed(f.read(), "secret", "challenge")
		f.read()
		f.write(xmpp.NewElement(nsSASL, "success"))
		f.bind()
	})
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
}

// A signature in a challenge is no login yet.
func TestSignatureWithoutSuccess(t *testing.T) {
	h := newHost(t)
	_, err := h.dial(t, func(f *fake) {
		f.header(mechanisms("SCRAM-SHA-256"))
		f.scramNamed(f.read(), "secret", "challenge")
		f.read()
		f.challenge("and one more")
		f.bind()
		t.Error("the client went on")
	})
	wantText(t, err, "in place of <success/>")
}

// The server's first message is held to its grammar and to sane costs before anything is computed from it.
func TestBadChallenges(t *testing.T) {
	h := newHost(t)
	for name, message := range map[string]string{
		"one iteration":     "r=NONCEx,s=c2FsdA==,i=1",
		"a billion":         "r=NONCEx,s=c2FsdA==,i=1000000000",
		"negative":          "r=NONCEx,s=c2FsdA==,i=-4096",
		"no iterations":     "r=NONCEx,s=c2FsdA==",
		"our nonce alone":   "r=NONCE,s=c2FsdA==,i=4096",
		"another nonce":     "r=other,s=c2FsdA==,i=4096",
		"empty last field":  "r=NONCEx,s=c2FsdA==,i=4096,",
		"empty":             "",
		"commas":            ",,,",
		"mandatory unknown": "r=NONCEx,s=c2FsdA==,i=4096,m=x",
		"salt twice":        "r=NONCEx,s=c2FsdA==,i=4096,s=AAAA",
		"bad salt":          "r=NONCEx,s=!!!!,i=4096",
		"another order":     "s=c2FsdA==,r=NONCEx,i=4096",
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, err := h.dial(t, func(f *fake) {
				f.header(mechanisms("SCRAM-SHA-256"))
				nonce := f.nonce(f.read())
				f.challenge(strings.Replace(message, "NONCE", nonce, 1))
				if el := f.read(); el.Is(nsSASL, "response") {
					t.Error("the client went on")
				}
			})
			if err == nil || errors.Is(err, xmpp.ErrNotAuthorized) || time.Since(start) > 5*time.Second {
				t.Errorf("%v after %v", err, time.Since(start))
			}
		})
	}
}

// RFC 6120 §6.5: some failures are the account's, others the server's own trouble.
func TestFailures(t *testing.T) {
	h := newHost(t)
	for condition, final := range map[string]bool{
		"not-authorized": true, "account-disabled": true, "credentials-expired": true, "invalid-authzid": true,
		"temporary-auth-failure": false, "aborted": false, "malformed-request": false,
	} {
		_, err := h.dial(t, func(f *fake) { f.header(mechanisms("SCRAM-SHA-256")); f.read(); f.refuse(condition) })
		if wantAs[*c2s.AuthError](t, err); errors.Is(err, xmpp.ErrNotAuthorized) != final {
			t.Errorf("%s: %v", condition, err)
		}
	}
}
