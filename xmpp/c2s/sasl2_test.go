package c2s_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"xtls-agent/internal/testpeer"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/c2s"
)

// The server's proof is wanted for the password in the extended way, too.
func TestExtendedPasswordServerMustProveItself(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	_, err := h.dial(t, func(f *fake) {
		f.header(modern())
		first, err := base64.StdEncoding.DecodeString(f.read().Child(nsSASL2, "initial-response").Text())
		f.must(err)
		_, nonce, _ := strings.Cut(string(first), ",r=")
		f.write(xmpp.NewText(nsSASL2, "challenge", base64.StdEncoding.EncodeToString([]byte("r="+nonce+"x,s=c2FsdA==,i=4096"))))
		f.read()
		f.succeed(nil, boundNew+newToken)
		f.idle()
	})
	wantText(t, err, "did not prove")
}

func TestSecondFactor(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	_, err := h.dial(t, func(f *fake) {
		f.header(modern())
		f.read()
		f.raw("<continue xmlns='" + nsSASL2 + "'><tasks><task>TOTP</task></tasks></continue>")
		f.idle()
	})
	wantText(t, err, "second factor")
}

// Where a server binds inline but manages no stream in the same breath, as a Prosody without mod_sasl2_sm, both come step by step: a stream
// that is bound and not managed is lost with its connection. That a server has no stream management at all is said in the log.
func TestManagedStepByStep(t *testing.T) {
	t.Parallel()
	for without, manages := range map[string]bool{"sasl2_sm": true, "smacks": false} {
		t.Run(without, func(t *testing.T) {
			t.Parallel()
			s := testpeer.Prosody(t, testpeer.XMPPOptions{Without: []string{"sasl2_sm", without}})
			cfg := account(t, s, "alice")
			cfg.Tokens = &memTokens{}
			log := logged(&cfg)
			for range 2 { // the second time by token
				if l := dial(t, cfg); l.Managed() != manages {
					t.Errorf("managed: %v, without %s", l.Managed(), without)
				}
			}
			if warned := strings.Contains(log.String(), "the server does not manage the stream"); warned == manages {
				t.Errorf("warned: %v: %s", warned, log)
			}
		})
	}
}

// A former stream is asked for together with the token. Where it cannot be resumed, what the server bound instead takes its place at once.
func TestTokenResumes(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for name, resumed := range map[string]bool{"resumed": true, "failed": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cut := make(chan struct{})
			l, err := h.dial(t, inTurn(
				func(f *fake) {
					f.header(modern("HT-SHA-256-EXPR"))
					f.scram2(f.read(), boundNew+newToken)
					f.stanza()
					<-cut
				},
				func(f *fake) {
					resume := f.byToken(modern("HT-SHA-256-EXPR")).Child(nsSM, "resume")
					if resume.Attr("previd") != "stream1" || resume.Attr("h") != "0" {
						t.Errorf("asks for %v", resume)
					}
					answer := "<failed xmlns='" + nsSM + "' h='0'><error><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></failed>" + boundNew
					if resumed {
						answer = "<resumed xmlns='" + nsSM + "' previd='stream1' h='1'/>"
					}
					f.succeed(f.mac("t1", "Responder"), answer)
					f.raw("<message id='back'/>")
					f.idle()
				}))
			if err != nil {
				t.Fatal(err)
			}
			next := successor(l)
			send(t, l, "a")
			close(cut)
			st, err := l.ReadStanza()
			if !resumed {
				if ids, unhandled := lostIDs(err); ids != "a" || !unhandled {
					t.Errorf("lost %q, %v", ids, err)
				}
				n := <-next
				defer n.Close()
				st, err = n.ReadStanza()
			}
			if err != nil || st.ID != "back" {
				t.Errorf("%v, %v", st, err)
			}
		})
	}
}

// A token that is refused before it has ever worked may have been revoked: the next one is bound no less. A second such is a binding that
// does not verify at this server, which is not asked for a third for ever.
func TestTokenWithABadBinding(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	both := modern("HT-SHA-256-EXPR", "HT-SHA-256-NONE")
	asked := make(chan string, 2)
	refuse := func(f *fake) {
		f.byToken(both)
		f.raw("<failure xmlns='" + nsSASL2 + "'><not-authorized xmlns='" + nsSASL + "'/></failure>")
		auth := f.read()
		asked <- auth.Child(nsFAST, "request-token").Attr("mechanism")
		f.scram2(auth, "<resumed xmlns='"+nsSM+"' previd='stream1' h='0'/>"+newToken)
	}
	l, err := h.dial(t, inTurn(func(f *fake) {
		f.header(both)
		f.scram2(f.read(), boundNew+newToken)
	}, refuse, func(f *fake) {
		refuse(f)
		f.idle()
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, want := range []string{"HT-SHA-256-EXPR", "HT-SHA-256-NONE"} {
		if got := <-asked; got != want {
			t.Errorf("asks for a token for %q, want %q", got, want)
		}
	}
}

// Where a new token cannot be stored the old one is used on: after a restart it is all there is.
func TestTokenIsDurableBeforeItIsUsed(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	store := &memTokens{}
	by := make(chan bool, 2)
	resumes := func(f *fake) {
		f.byToken(modern("HT-SHA-256-EXPR")) // t1 both times
		f.succeed(f.mac("t1", "Responder"), "<resumed xmlns='"+nsSM+"' previd='stream1' h='0'/><token xmlns='"+nsFAST+"' token='t2'/>")
		by <- true
		f.raw("<message/>")
	}
	_, err := h.dial(t, inTurn(func(f *fake) {
		f.header(modern("HT-SHA-256-EXPR"))
		f.scram2(f.read(), boundNew+newToken)
		time.Sleep(50 * time.Millisecond)
		store.mu.Lock()
		store.broken = true
		store.mu.Unlock()
	}, resumes, resumes, (*fake).idle), func(cfg *c2s.Config) { cfg.Tokens = store })
	if err != nil {
		t.Fatal(err)
	}
	<-by
	<-by
}

// The resource is new at each bind, in either way of asking for one.
func TestResourceIsRandom(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	asked := make(chan string, 4)
	extended := func(f *fake) {
		f.header(modern())
		auth := f.read()
		asked <- auth.Child("urn:xmpp:bind:0", "bind").Child("urn:xmpp:bind:0", "tag").Text()
		f.scram2(auth, boundNew)
		f.idle()
	}
	classic := func(f *fake) {
		f.header(mechanisms("SCRAM-SHA-256"))
		f.scram(f.read(), "secret")
		f.must(f.framer.Restart())
		f.header(xmpp.NewElement(nsBind, "bind"))
		iq := f.read()
		asked <- iq.Child(nsBind, "bind").Child(nsBind, "resource").Text()
		f.answerBind(iq)
		f.idle()
	}
	seen := make(map[string]bool)
	for _, script := range []func(*fake){extended, extended, classic, classic} {
		if _, err := h.dial(t, script); err != nil {
			t.Fatal(err)
		}
		seen[<-asked] = true
	}
	if len(seen) != 4 {
		t.Errorf("%v", seen)
	}
}
