package c2s_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/pbkdf2"
	"mellium.im/sasl"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/c2s"
)

const (
	nsSASL2 = "urn:xmpp:sasl:2"
	nsFAST  = "urn:xmpp:fast:0"
)

// modern are the features of a server that takes everything in one step, with tokens for the mechanisms given.
func modern(tokens ...string) *xmpp.Element {
	fast := xmpp.NewElement(nsFAST, "fast")
	for _, m := range tokens {
		fast.Add(xmpp.NewText(nsFAST, "mechanism", m))
	}
	bind := xmpp.NewElement("urn:xmpp:bind:0", "bind", xmpp.NewElement("urn:xmpp:bind:0", "inline",
		xmpp.NewElement("urn:xmpp:bind:0", "feature").With("var", nsSM)))
	return xmpp.NewElement(nsSASL2, "authentication", xmpp.NewText(nsSASL2, "mechanism", "SCRAM-SHA-256"),
		xmpp.NewElement(nsSASL2, "inline", fast, bind, xmpp.NewElement(nsSM, "sm")))
}

// scram2 plays SCRAM in the extended way, and ends with a success in which rest stands.
func (f *fake) scram2(auth *xmpp.Element, rest string) {
	if auth.Attr("mechanism") != "SCRAM-SHA-256" {
		f.t.Errorf("logs in by %s", auth.Attr("mechanism"))
	}
	salt := []byte("0123456789abcdef")
	server := sasl.NewServer(sasl.ScramSha256, func(*sasl.Negotiator) bool { return true },
		sasl.SaltedCredentials(func(_, _ []byte, _ string) ([]byte, []byte, int64, error) {
			return salt, pbkdf2.Key([]byte("secret"), salt, 4096, sha256.Size, sha256.New), 4096, nil
		}))
	data, err := base64.StdEncoding.DecodeString(auth.Child(nsSASL2, "initial-response").Text())
	f.must(err)
	_, challenge, err := server.Step(data)
	f.must(err)
	f.write(xmpp.NewText(nsSASL2, "challenge", base64.StdEncoding.EncodeToString(challenge)))
	data, err = base64.StdEncoding.DecodeString(f.read().Text())
	f.must(err)
	_, signature, err := server.Step(data)
	f.must(err)
	f.succeed(signature, rest)
}

// succeed ends an authentication, with the server's proof if there is one.
func (f *fake) succeed(proof []byte, rest string) {
	data := ""
	if proof != nil {
		data = "<additional-data>" + base64.StdEncoding.EncodeToString(proof) + "</additional-data>"
	}
	f.raw("<success xmlns='" + nsSASL2 + "'>" + data + "<authorization-identifier>box@home.test/r</authorization-identifier>" + rest + "</success>")
}

const (
	boundNew = "<bound xmlns='urn:xmpp:bind:0'><enabled xmlns='" + nsSM + "' id='stream1' resume='true'/></bound>"
	newToken = "<token xmlns='" + nsFAST + "' token='t1' expiry='2099-01-01T00:00:00Z'/>"
)

// mac is the client's message or the server's answer for a token, bound to this connection.
func (f *fake) mac(token, role string) []byte {
	cs := f.conn.(*tls.Conn).ConnectionState()
	binding, err := cs.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
	f.must(err)
	h := hmac.New(sha256.New, []byte(token))
	h.Write([]byte(role))
	h.Write(binding)
	return h.Sum(nil)
}

// first logs in by password and hands out the token t1.
func first(f *fake) {
	f.header(modern("HT-SHA-256-NONE", "HT-SHA-256-EXPR"))
	auth := f.read()
	if m := auth.Child(nsFAST, "request-token").Attr("mechanism"); m != "HT-SHA-256-EXPR" {
		f.t.Errorf("asks for a token for %q", m)
	}
	f.scram2(auth, boundNew+newToken)
	f.idle()
}

// byToken reads a login by the token t1, which comes with the header.
func (f *fake) byToken(features ...*xmpp.Element) *xmpp.Element {
	f.header(features...)
	auth := f.read()
	want := append([]byte("box\x00"), f.mac("t1", "Initiator")...)
	got, _ := base64.StdEncoding.DecodeString(auth.Child(nsSASL2, "initial-response").Text())
	if !hmac.Equal(got, want) || auth.Attr("mechanism") != "HT-SHA-256-EXPR" || auth.Child(nsFAST, "fast") == nil ||
		auth.Child(nsSASL2, "user-agent").Attr("id") == "" {
		f.t.Errorf("logs in by %v", auth)
	}
	return auth
}

// tokenWorld dials once by password, and gives the store with the token t1 in it.
func (h host) withToken(t *testing.T, then ...func(*fake)) (addr string, store *memTokens) {
	t.Helper()
	addr, store = fakeServer(t, h.cert, inTurn(append([]func(*fake){first}, then...)...)), &memTokens{}
	l, err := h.dialTo(t, addr, func(cfg *c2s.Config) { cfg.Tokens = store })
	if err != nil {
		t.Fatal(err)
	}
	if st := store.field("token"); st != "t1" || l.LocalAddr().Resourcepart() != "r" || !l.Managed() {
		t.Fatalf("token %q, address %v", st, l.LocalAddr())
	}
	return addr, store
}

// The server must prove that it has the token, too: else it is not the server, and the next login is by password.
func TestTokenServerMustProveItself(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for name, proof := range map[string]func(*fake) []byte{
		"no proof":            func(*fake) []byte { return nil },
		"empty proof":         func(*fake) []byte { return []byte{} },
		"another token's":     func(f *fake) []byte { return f.mac("t2", "Responder") },
		"the client's own":    func(f *fake) []byte { return f.mac("t1", "Initiator") },
		"a part of the proof": func(f *fake) []byte { return f.mac("t1", "Responder")[:16] },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr, store := h.withToken(t,
				func(f *fake) {
					f.byToken(modern("HT-SHA-256-EXPR"))
					f.succeed(proof(f), boundNew+"<token xmlns='"+nsFAST+"' token='evil'/>")
					f.idle()
				}, first)
			with := func(cfg *c2s.Config) { cfg.Tokens = store }
			_, err := h.dialTo(t, addr, with)
			wantText(t, err, "did not prove")
			if store.field("token") != "" {
				t.Errorf("the token is %q", store.field("token"))
			}
			if _, err := h.dialTo(t, addr, with); err != nil {
				t.Error(err)
			}
		})
	}
}

// A proven server may give the next token, which is durable before it is used.
func TestTokenRotates(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	rotate := func(f *fake) {
		f.byToken(modern("HT-SHA-256-EXPR"))
		f.succeed(f.mac("t1", "Responder"), boundNew+"<token xmlns='"+nsFAST+"' token='t2' expiry='2099-01-01T00:00:00Z'/>")
		f.idle()
	}
	addr, store := h.withToken(t, rotate, rotate)
	store.mu.Lock()
	store.broken = true
	store.mu.Unlock()
	with := func(cfg *c2s.Config) { cfg.Tokens = store }
	if _, err := h.dialTo(t, addr, with); err != nil || store.field("token") != "t1" {
		t.Errorf("%v, token %q", err, store.field("token"))
	}
	store.mu.Lock()
	store.broken = false
	store.mu.Unlock()
	if _, err := h.dialTo(t, addr, with); err != nil || store.field("token") != "t2" {
		t.Errorf("%v, token %q", err, store.field("token"))
	}
}

// A token that is refused falls back to the password once: on the same stream, or where the server closes it, on another.
func TestTokenRefused(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	const refusal = "<failure xmlns='" + nsSASL2 + "'><%s xmlns='" + nsSASL + "'/></failure>"
	again := func(f *fake) {
		auth := f.read()
		f.scram2(auth, boundNew+strings.Replace(newToken, "t1", "t3", 1))
		f.idle()
	}
	for name, scripts := range map[string][]func(*fake){
		"goes on": {func(f *fake) {
			f.byToken(modern("HT-SHA-256-EXPR"))
			f.raw(fmt.Sprintf(refusal, "not-authorized"))
			again(f)
		}},
		"expired": {func(f *fake) {
			f.byToken(modern("HT-SHA-256-EXPR"))
			f.raw(fmt.Sprintf(refusal, "credentials-expired"))
			again(f)
		}},
		"closes": {func(f *fake) {
			f.byToken(modern("HT-SHA-256-EXPR"))
			f.raw(fmt.Sprintf(refusal, "not-authorized") + "</stream:stream>")
		}, func(f *fake) { f.header(modern("HT-SHA-256-EXPR")); again(f) }},
		"closes after the password": {func(f *fake) {
			f.byToken(modern("HT-SHA-256-EXPR"))
			f.raw(fmt.Sprintf(refusal, "not-authorized"))
			f.read()
		}, func(f *fake) { f.header(modern("HT-SHA-256-EXPR")); again(f) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr, store := h.withToken(t, append(scripts, func(*fake) { t.Error("another try") })...)
			if _, err := h.dialTo(t, addr, func(cfg *c2s.Config) { cfg.Tokens = store }); err != nil {
				t.Error(err)
			}
			if got := store.field("token"); got != "t3" {
				t.Errorf("the token is %q", got)
			}
		})
	}
}

// A password that is refused after the token is the end: it is not tried at once again.
func TestTokenAndPasswordRefused(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	addr, store := h.withToken(t, func(f *fake) {
		f.byToken(modern("HT-SHA-256-EXPR"))
		for range 2 {
			f.raw("<failure xmlns='" + nsSASL2 + "'><not-authorized xmlns='" + nsSASL + "'/></failure>")
			f.read()
		}
		t.Error("a third try")
	}, func(*fake) { t.Error("another try") })
	_, err := h.dialTo(t, addr, func(cfg *c2s.Config) { cfg.Tokens = store })
	wantIs(t, err, xmpp.ErrNotAuthorized)
}

// What the server offers has changed since it gave the token: the token is for its one mechanism, and no weaker one is used with it. The
// stream ends in order and the password is tried.
func TestTokenFeaturesChanged(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	old := func(f *fake) {
		f.header(mechanisms("SCRAM-SHA-256"))
		f.scram(f.read(), "secret")
		f.bind()
		f.idle()
	}
	for name, c := range map[string]struct {
		features *xmpp.Element
		next     func(*fake)
	}{
		"a weaker mechanism alone": {modern("HT-SHA-256-NONE"), func(f *fake) {
			f.header(modern("HT-SHA-256-NONE"))
			f.scram2(f.read(), boundNew)
			f.idle()
		}},
		"no tokens":      {modern(), func(f *fake) { f.header(modern()); f.scram2(f.read(), boundNew); f.idle() }},
		"an old server":  {mechanisms("SCRAM-SHA-256"), old},
		"PLAIN and none": {mechanisms("PLAIN"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			said := make(chan string, 1)
			next := c.next
			if next == nil {
				next = func(f *fake) { f.header(c.features); f.read(); t.Error("the client went on") }
			}
			addr, store := h.withToken(t, func(f *fake) {
				f.byToken(c.features)
				f.succeed(f.mac("t1", "Responder"), boundNew)
				rest, _ := io.ReadAll(f.conn)
				said <- string(rest)
			}, next)
			_, err := h.dialTo(t, addr, func(cfg *c2s.Config) { cfg.Tokens = store })
			if (err == nil) != (c.next != nil) {
				t.Error(err)
			}
			if got := <-said; !strings.HasSuffix(got, "</stream:stream>") || strings.Contains(got, "<auth") {
				t.Errorf("the client said %q", got)
			}
		})
	}
}

// A token that has expired by our clock is not tried, nor one of another account, nor what was damaged. The identity of the client
// is kept where it can be read.
func TestTokenNotUsed(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for name, c := range map[string]struct {
		change func(*memTokens)
		same   bool
	}{
		"expired":             {func(m *memTokens) { m.change("expiry", time.Now().Add(-time.Hour)) }, true},
		"another account's":   {func(m *memTokens) { m.change("jid", "other@home.test") }, false},
		"damaged":             {func(m *memTokens) { m.data = m.data[:20] }, false},
		"an unknown use":      {func(m *memTokens) { m.change("mechanism", "PLAIN") }, false},
		"no name of a client": {func(m *memTokens) { m.change("agent", "me") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			agents := make(chan string, 10)
			addr, store := h.withToken(t, func(f *fake) {
				f.header(modern("HT-SHA-256-EXPR"))
				auth := f.read()
				agents <- auth.Child(nsSASL2, "user-agent").Attr("id")
				f.scram2(auth, boundNew+newToken)
				f.idle()
			})
			agent := store.field("agent")
			c.change(store)
			if _, err := h.dialTo(t, addr, func(cfg *c2s.Config) { cfg.Tokens = store }); err != nil {
				t.Fatal(err)
			}
			if got := <-agents; (got == agent) != c.same || got == "" {
				t.Errorf("the client is %q, was %q", got, agent)
			}
		})
	}
}
