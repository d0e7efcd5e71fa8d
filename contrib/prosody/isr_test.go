// Package prosody_test speaks XEP-0397 to a Prosody that has loaded mod_isr.lua.
package prosody_test

import (
	"crypto/sha256"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"xtls-agent/internal/testpeer"
)

//go:embed mod_isr.lua
var module string

const (
	expr = "HT-SHA-256-EXPR"
	uniq = "HT-SHA-256-UNIQ"
	endp = "HT-SHA-256-ENDP"
	none = "HT-SHA-256-NONE"
)

// prosody starts a Prosody with the module, and with the settings given. It logs all that it can.
func prosody(t *testing.T, settings ...string) *testpeer.XMPPServer {
	t.Helper()
	return prosodyWith(t, testpeer.XMPPOptions{Settings: strings.Join(settings, "\n")})
}

func prosodyWith(t *testing.T, opts testpeer.XMPPOptions) *testpeer.XMPPServer {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mod_isr.lua"), []byte(module), 0o600); err != nil {
		t.Fatal(err)
	}
	opts.Modules, opts.ModulePath, opts.Debug = []string{"isr"}, dir, true
	opts.Authority = testpeer.NewAuthority(t)
	opts.Certificate = opts.Authority.Issue(t, testpeer.Validity{}, "home.test")
	hash := sha256.Sum256(opts.Certificate.TLS.Certificate[0])
	opts.Settings += fmt.Sprintf("\ntls_server_end_point_hash = '%x'", hash)
	return testpeer.Prosody(t, opts)
}

// calm fails the test if something in Prosody broke.
func calm(t *testing.T, s *testpeer.XMPPServer) {
	t.Helper()
	for _, bad := range []string{"raceback", "attempt to"} {
		if _, after, found := strings.Cut(s.Output(), bad); found {
			t.Errorf("prosody broke: %s%.2000s", bad, after)
		}
	}
}

// A stream is resumed in one flight and its answer, again and again, and what came in between is there once.
func TestResume(t *testing.T) {
	s := prosody(t)
	box, owner := account(t, s, "box"), account(t, s, "owner")
	sender := dial(t, s, 0)
	sender.login(owner, "")
	sender.bind()

	c, tok := start(t, s, box, expr)
	jid := c.jid
	c.write("<presence/>") // one stanza, for h
	c.bodies()             // another
	for round := range 3 {
		tok.seen = c.seen
		c.cut()
		sender.write(chat(jid, "a", "b", "c"))
		sender.bodies()

		c = dial(t, s, 0)
		next, h := c.resumed(c.resume(box.user, tok), tok)
		if want := strconv.Itoa(2 + 2*round); h != want {
			t.Errorf("round %d: h is %s, not %s", round, h, want)
		}
		if got := c.bodies(); !slices.Equal(got, []string{"a", "b", "c"}) {
			t.Errorf("round %d: got %q", round, got)
		}
		sender.write(chat(jid, "d"))
		sender.bodies()
		if got := c.bodies(); !slices.Equal(got, []string{"d"}) {
			t.Errorf("round %d: then got %q", round, got)
		}
		tok = next
	}
	calm(t, s)
}

// What a client did not acknowledge comes again, what it did acknowledge does not.
func TestResumeAtH(t *testing.T) {
	s := prosody(t)
	box, owner := account(t, s, "box"), account(t, s, "owner")
	c, tok := start(t, s, box, expr)
	sender := dial(t, s, 0)
	sender.login(owner, "")
	sender.bind()
	sender.write(chat(c.jid, "a", "b", "c"))
	for range 2 {
		c.expect("jabber:client", "message")
	}
	tok.seen = c.seen
	c.cut()
	c = dial(t, s, 0)
	c.resumed(c.resume(box.user, tok), tok)
	if got := c.bodies(); !slices.Equal(got, []string{"c"}) {
		t.Errorf("got %q", got)
	}
}

// Each mechanism that is announced works; the feature is there before and after authentication.
func TestMechanisms(t *testing.T) {
	s := prosody(t, "isr_channel_binding_required = false")
	box := account(t, s, "box")
	for _, test := range []struct{ mechanism, offered string }{
		{expr, expr + endp + none}, {endp, expr + endp + none}, {none, expr + endp + none}, {uniq, uniq + endp + none},
	} {
		t.Run(test.mechanism, func(t *testing.T) {
			c := dial(t, s, versionFor(test.mechanism))
			c.write(c.header(box.user))
			features := c.next()
			c.write(box.authenticate(""))
			c.expect(nsSASL2, "success")
			for _, f := range []*element{features, c.next()} {
				var offered string
				for _, m := range f.child("isr", "mechanisms").Children {
					offered += m.Text
				}
				if !f.child("isr").is(nsISR, "isr") || offered != test.offered {
					t.Errorf("offered %q", offered)
				}
			}
			c.bind()
			tok := c.enable(test.mechanism)
			for range 2 {
				c.cut()
				c = dial(t, s, versionFor(test.mechanism))
				tok, _ = c.resumed(c.resume(box.user, tok), tok)
			}
		})
	}
	calm(t, s)
}

// The token comes with Bind 2, too, and later resumptions leave stream management as it was.
func TestEnableInline(t *testing.T) {
	s := prosody(t, `isr_location = "isr.home.test:5223"`)
	box := account(t, s, "box")
	c := dial(t, s, 0)
	inline := strings.Replace(enable(expr), " resume='true'", "", 1) // as in the XEP's example
	bound := c.login(box, "<bind xmlns='"+nsBind2+"'><tag>box</tag>"+inline+"</bind>").child("bound")
	enabled := bound.child("enabled")
	isr := enabled.child("isr-enabled")
	if !isr.is(nsISR, "isr-enabled") || isr.attr("location") != "isr.home.test:5223" || enabled.attr("id") == "" {
		t.Fatalf("got %+v", enabled)
	}
	c.seen = 0
	c.bodies()
	tok := token{isr.attr("token"), expr, enabled.attr("id"), c.seen}
	for _, want := range []string{"1", "2"} {
		c.cut()
		c = dial(t, s, 0)
		next, h := c.resumed(c.resume(box.user, tok), tok)
		if h != want {
			t.Errorf("h is %s, not %s", h, want)
		}
		tok = next
		c.bodies()
		tok.seen = c.seen
	}
	calm(t, s)
}

// The connection that a stream had before is closed, though the server takes it for alive.
func TestResumeWhatLives(t *testing.T) {
	s := prosody(t)
	box, owner := account(t, s, "box"), account(t, s, "owner")
	old, tok := start(t, s, box, expr)
	sender := dial(t, s, 0)
	sender.login(owner, "")
	sender.bind()
	sender.write(chat(old.jid, "lost on its way"))
	sender.bodies()

	c := dial(t, s, 0)
	tok, _ = c.resumed(c.resume(box.user, tok), tok)
	if got := c.bodies(); !slices.Equal(got, []string{"lost on its way"}) {
		t.Errorf("got %q", got)
	}
	old.ended()
	if got := c.bodies(); got != nil { // the end of the old one is not the end of the stream
		t.Errorf("got %q", got)
	}
	tok.seen = c.seen
	c.cut()
	c = dial(t, s, 0)
	c.resumed(c.resume(box.user, tok), tok)
}

// A token ends with its stream: when that has waited too long, when it was closed in order, when the server started anew.
func TestTokenEndsWithItsStream(t *testing.T) {
	s := prosodyWith(t, testpeer.XMPPOptions{Hibernation: time.Second})
	box := account(t, s, "box")
	fails := func(tok token) {
		t.Helper()
		c := dial(t, s, 0)
		failed(t, c.resume(box.user, tok), "not-authorized")
		c.loginAgain(box, "")
		c.bind()
		if c.enable(expr).secret == "" {
			t.Error("no new token")
		}
	}
	c, tok := start(t, s, box, expr)
	c.cut()
	waitFor(t, s, "Destroying session for hibernating too long")
	fails(tok)

	c, tok = start(t, s, box, expr)
	c.write("</stream:stream>")
	c.ended()
	fails(tok)

	c, tok = start(t, s, box, expr)
	c.cut()
	calm(t, s)
	s.Kill(t)
	s.Start(t)
	fails(tok)

	c, tok = start(t, s, box, expr)
	calm(t, s)
	s.Stop(t)
	c.ended()
	s.Start(t)
	fails(tok)
	calm(t, s)
}

func waitFor(t *testing.T, s *testpeer.XMPPServer, line string) {
	t.Helper()
	for range 1000 {
		if strings.Contains(s.Output(), line) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("prosody does not say %q", line)
}

// With a password instead of a token it is one round trip more, and gives a new token as well.
func TestWithoutToken(t *testing.T) {
	s := prosody(t)
	box := account(t, s, "box")
	c, tok := start(t, s, box, expr)
	c.cut()
	c = dial(t, s, 0)
	in := c.login(box, instResume(tok, " with-isr-token='false'")).child("inst-resumed")
	if in.child("resumed").attr("previd") != tok.id || in.attr("token") == "" || in.attr("token") == tok.secret {
		t.Fatalf("got %+v", in)
	}
	old := tok
	tok.secret = in.attr("token")
	c.cut()
	c = dial(t, s, 0)
	tok, _ = c.resumed(c.resume(box.user, tok), tok)
	c.cut()
	failed(t, dial(t, s, 0).resume(box.user, old), "not-authorized")

	// A stream that never had instant resumption does not get it so.
	c = dial(t, s, 0)
	c.login(box, "")
	c.bind()
	c.write("<enable xmlns='" + nsSM + "' resume='true'/>")
	plain := token{id: c.expect(nsSM, "enabled").attr("id")}
	c.cut()
	c = dial(t, s, 0)
	if got := c.login(box, instResume(plain, " with-isr-token='false'")); !got.has("inst-resume-failed", "failed", "unexpected-request") {
		t.Errorf("got %+v", got)
	}
	c.write("<resume xmlns='" + nsSM + "' previd='" + plain.id + "' h='0'/>")
	c.expect(nsSM, "resumed")
	calm(t, s)
}

// Who is authenticated and cannot resume goes on with a new stream, bound at once if he asked for it. The token is spent.
func TestAuthenticatedNotResumed(t *testing.T) {
	s := prosody(t)
	box := account(t, s, "box")
	c, tok := start(t, s, box, expr)
	c.bodies()
	c.cut()

	c = dial(t, s, 0)
	ahead := tok
	ahead.seen = 7
	c.write(c.header(box.user) + resumption(expr, c.initial(box.user, tok), instResume(ahead, "")+
		"<bind xmlns='"+nsBind2+"'><tag>anew</tag>"+enable(expr)+"</bind>"))
	c.next()
	success := c.expect(nsSASL2, "success")
	not := success.child("inst-resume-failed")
	if !not.is(nsISR, "inst-resume-failed") || not.child("failed").attr("h") != "1" || !not.has("failed", "undefined-condition") {
		t.Errorf("got %+v", success)
	}
	next := success.child("bound", "enabled", "isr-enabled").attr("token")
	if next == "" || next == tok.secret {
		t.Errorf("got %+v", success)
	}
	failed(t, dial(t, s, 0).resume(box.user, tok), "not-authorized")
	tok.seen = 1
	if got := classic(t, s, box, tok); !got.is(nsSM, "resumed") { // the stream has taken no harm
		t.Errorf("got %+v", got)
	}
	calm(t, s)
}

// A stream that dropped stanzas cannot be resumed. It ends, and what it still had is not kept for ever.
func TestTooMuchMissed(t *testing.T) {
	s := prosody(t, "smacks_max_queue_size = 3")
	box, owner := account(t, s, "box"), account(t, s, "owner")
	c, tok := start(t, s, box, expr)
	sender := dial(t, s, 0)
	sender.login(owner, "")
	sender.bind()
	c.cut()
	sender.write(chat(c.jid, "a", "b", "c", "d", "e"))
	sender.bodies()

	got := dial(t, s, 0).resume(box.user, tok)
	if !got.is(nsSASL2, "success") || !got.has("inst-resume-failed", "failed", "resource-constraint") {
		t.Errorf("got %+v", got)
	}
	if got := classic(t, s, box, tok); !got.has("item-not-found") {
		t.Errorf("got %+v", got)
	}
	calm(t, s)
}

// The message of draft-schmaus-kitten-sasl-ht-03, which the XEP names, is understood as well.
func TestOldInitiatorMessage(t *testing.T) {
	s := prosody(t)
	box := account(t, s, "box")
	c, tok := start(t, s, box, expr)
	c.cut()
	c = dial(t, s, 0)
	initial := "\x00\x03box" + proof(tok.secret, "Initiator", c.binding(expr))
	c.write(c.header(box.user) + resumption(expr, initial, instResume(tok, "")))
	c.next()
	c.resumed(c.next(), tok)
}
