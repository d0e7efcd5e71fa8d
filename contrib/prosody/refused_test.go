package prosody_test

import (
	"crypto/tls"
	"strconv"
	"strings"
	"testing"

	"xtls-agent/internal/testpeer"
)

// Without channel binding nothing is offered, unless configured.
func TestChannelBindingIsRequired(t *testing.T) {
	s := prosody(t)
	box := account(t, s, "box")
	c := dial(t, s, 0)
	c.login(box, "")
	c.bind()
	c.write(enable(none))
	enabled := c.expect(nsSM, "enabled")
	if len(enabled.Children) > 0 || enabled.attr("id") == "" {
		t.Errorf("got %+v", enabled)
	}
}

// classic resumes by a password, and returns what the server says.
func classic(t *testing.T, s *testpeer.XMPPServer, p person, tok token) *element {
	t.Helper()
	c := dial(t, s, 0)
	c.login(p, "")
	c.write("<resume xmlns='" + nsSM + "' previd='" + tok.id + "' h='" + strconv.Itoa(tok.seen) + "'/>")
	return c.next()
}

// A token is good once. Who uses it again may have missed the answer: the stream can still be resumed with a password.
func TestTokenIsSpent(t *testing.T) {
	s := prosody(t)
	box := account(t, s, "box")
	c, tok := start(t, s, box, expr)
	c.cut()
	c = dial(t, s, 0)
	next, _ := c.resumed(c.resume(box.user, tok), tok)
	c.cut()
	failed(t, dial(t, s, 0).resume(box.user, tok), "not-authorized")
	// The attempt was one with an invalid token, so there is no valid one any more.
	failed(t, dial(t, s, 0).resume(box.user, next), "not-authorized")
	if got := classic(t, s, box, tok); got.is(nsSM, "resumed") {
		t.Errorf("resumed after a guess: %+v", got)
	}

	c, tok = start(t, s, box, expr)
	c.cut()
	c = dial(t, s, 0)
	c.resumed(c.resume(box.user, tok), tok)
	c.cut()
	failed(t, dial(t, s, 0).resume(box.user, tok), "not-authorized")
	if got := classic(t, s, box, tok); !got.is(nsSM, "resumed") {
		t.Errorf("got %+v", got)
	}
	calm(t, s)
}

// wrong uses a token in a way that must be refused, and returns the <failure/>'s stream.
type wrong func(c *client, tok token) *element

// A wrong token ends itself and its stream. What follows on the same connection is an ordinary login.
func TestWrongTokenEndsTheStream(t *testing.T) {
	s := prosody(t, "isr_max_failures = 1000", "isr_channel_binding_required = false")
	box := account(t, s, "box")
	other := func(mechanism string) wrong {
		return func(c *client, tok token) *element {
			tok.mechanism = mechanism
			return c.resume(box.user, tok)
		}
	}
	for name, use := range map[string]wrong{
		"wrong": func(c *client, tok token) *element {
			tok.secret += "x"
			return c.resume(box.user, tok)
		},
		"another mechanism":  other(endp),
		"no channel binding": other(none),
		"bound to another connection": func(c *client, tok token) *element {
			initial := dial(t, s, 0).initial(box.user, tok)
			c.write(c.header(box.user) + resumption(tok.mechanism, initial, instResume(tok, "")))
			c.next()
			return c.next()
		},
		"the server's proof": func(c *client, tok token) *element {
			initial := box.user + "\x00" + proof(tok.secret, "Responder", c.binding(tok.mechanism))
			c.write(c.header(box.user) + resumption(tok.mechanism, initial, instResume(tok, "")))
			c.next()
			return c.next()
		},
	} {
		for _, live := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				old, tok := start(t, s, box, expr)
				if !live {
					old.cut()
				}
				c := dial(t, s, 0)
				failed(t, use(c, tok), "not-authorized")
				c.loginAgain(box, "")
				failed(t, dial(t, s, 0).resume(box.user, tok), "not-authorized")
				if got := classic(t, s, box, tok); !got.is(nsSM, "failed") {
					t.Errorf("the stream is there: %+v", got)
				}
				if live {
					old.ended()
				}
			})
		}
	}
	calm(t, s)
}

// A token is its account's and its stream's. Whoever shows it for others does no harm to its owner.
func TestTokenOfAnother(t *testing.T) {
	s := prosody(t, "isr_max_failures = 1000")
	box, other := account(t, s, "box"), account(t, s, "other")
	c, tok := start(t, s, box, expr)
	_, others := start(t, s, other, expr)
	c.cut()

	failed(t, dial(t, s, 0).resume(other.user, tok), "not-authorized")
	mixed := others
	mixed.secret = tok.secret
	mixed.id = "unknown"
	failed(t, dial(t, s, 0).resume(other.user, mixed), "not-authorized")
	mixed.id = tok.id
	failed(t, dial(t, s, 0).resume("nobody", mixed), "not-authorized")

	c = dial(t, s, 0)
	c.resumed(c.resume(box.user, tok), tok)

	// The stream's own <resume/>, with another's previd: a password gives no right to it either.
	c = dial(t, s, 0)
	if got := c.login(other, instResume(tok, " with-isr-token='false'")); !got.child("inst-resume-failed", "failed", "item-not-found").is(
		"urn:ietf:params:xml:ns:xmpp-stanzas", "item-not-found") {
		t.Errorf("got %+v", got)
	}
	calm(t, s)
}

// A stream without instant resumption takes no harm from an attempt at it.
func TestStreamWithoutISR(t *testing.T) {
	s := prosody(t)
	box := account(t, s, "box")
	c := dial(t, s, 0)
	c.login(box, "")
	c.bind()
	c.write("<enable xmlns='" + nsSM + "' resume='true'/>")
	plain := token{secret: "x", mechanism: expr, id: c.expect(nsSM, "enabled").attr("id")}
	c.cut()
	failed(t, dial(t, s, 0).resume(box.user, plain), "not-authorized")
	if got := classic(t, s, box, plain); !got.is(nsSM, "resumed") {
		t.Errorf("got %+v", got)
	}
	calm(t, s)
}

// After a failure the connection is as good as any: FAST works on it.
func TestFASTAfterFailure(t *testing.T) {
	s := prosody(t)
	box := account(t, s, "box")
	const agent = "<user-agent id='d4565fa7-4d72-4749-b3d3-740edbf87770'/>"
	c := dial(t, s, 0)
	fast := c.login(box, agent+"<request-token xmlns='"+nsFAST+"' mechanism='"+expr+"'/>").child("token").attr("token")
	if fast == "" {
		t.Fatal("no FAST token")
	}
	c = dial(t, s, 0)
	failed(t, c.resume(box.user, token{"x", expr, "x", 0}), "not-authorized")
	c.write(resumption(expr, c.initial(box.user, token{secret: fast, mechanism: expr}), agent+"<fast xmlns='"+nsFAST+"'/>"))
	c.expect(nsSASL2, "success")
	calm(t, s)
}

// An address has so many failures a minute. Nobody's token suffers for it.
func TestFailuresAreBounded(t *testing.T) {
	s := prosody(t, "isr_max_failures = 3", `isr_failures_period = "1 day"`)
	box := account(t, s, "box")
	c, tok := start(t, s, box, expr)
	c.cut()
	c = dial(t, s, 0)
	tok, _ = c.resumed(c.resume(box.user, tok), tok)
	c.cut()
	for range 3 {
		failed(t, dial(t, s, 0).resume(box.user, token{"x", expr, "unknown", 0}), "not-authorized")
	}
	c = dial(t, s, 0)
	failed(t, c.resume(box.user, tok), "temporary-auth-failure")
	c.loginAgain(box, "")
	if got := classic(t, s, box, tok); !got.is(nsSM, "resumed") {
		t.Errorf("got %+v", got)
	}
}

// Nonsense is refused, breaks nothing, and costs nobody his token.
func TestMalformed(t *testing.T) {
	s := prosody(t, "isr_max_failures = 1000")
	box := account(t, s, "box")
	old, tok := start(t, s, box, expr)
	old.cut()
	good := instResume(tok, "")
	with := func(from, to string) string { return strings.Replace(good, from, to, 1) }
	for name, test := range map[string]struct{ mechanism, initial, more, condition string }{
		"no resume":           {expr, "GOOD", "<inst-resume xmlns='" + nsISR + "'/>", "malformed-request"},
		"no previd":           {expr, "GOOD", with("previd", "x"), "malformed-request"},
		"long previd":         {expr, "GOOD", with(tok.id, strings.Repeat("x", 256)), "malformed-request"},
		"no h":                {expr, "GOOD", with("h='0'", ""), "malformed-request"},
		"h is empty":          {expr, "GOOD", with("h='0'", "h=''"), "malformed-request"},
		"h is a word":         {expr, "GOOD", with("h='0'", "h='nan'"), "malformed-request"},
		"h is negative":       {expr, "GOOD", with("h='0'", "h='-1'"), "malformed-request"},
		"h is a fraction":     {expr, "GOOD", with("h='0'", "h='0.5'"), "malformed-request"},
		"h has an exponent":   {expr, "GOOD", with("h='0'", "h='1e400'"), "malformed-request"},
		"h is 2 to the 32":    {expr, "GOOD", with("h='0'", "h='4294967296'"), "malformed-request"},
		"h is endless":        {expr, "GOOD", with("h='0'", "h='"+strings.Repeat("9", 5000)+"'"), "malformed-request"},
		"perhaps":             {expr, "GOOD", instResume(tok, " with-isr-token='perhaps'"), "malformed-request"},
		"two tokens":          {expr, "GOOD", good + "<fast xmlns='" + nsFAST + "'/>", "malformed-request"},
		"two resumptions":     {expr, "GOOD", good + "<resume xmlns='" + nsSM + "' h='0' previd='x'/>", "malformed-request"},
		"no mechanism":        {"", "GOOD", good, "invalid-mechanism"},
		"unknown mechanism":   {"HT-SHA-256-MUCH", "GOOD", good, "invalid-mechanism"},
		"none, not allowed":   {none, "GOOD", good, "invalid-mechanism"},
		"a password's":        {"PLAIN", "GOOD", good, "invalid-mechanism"},
		"nothing":             {expr, "", good, "not-authorized"},
		"NUL":                 {expr, "\x00", good, "not-authorized"},
		"NULs":                {expr, "\x00\x00\x00\x00", good, "not-authorized"},
		"a name":              {expr, "box", good, "not-authorized"},
		"a name and NUL":      {expr, "box\x00", good, "not-authorized"},
		"short proof":         {expr, "box\x00" + strings.Repeat("x", 31), good, "not-authorized"},
		"long proof":          {expr, "box\x00" + strings.Repeat("x", 33), good, "not-authorized"},
		"no name":             {expr, "\x00" + strings.Repeat("x", 32), good, "not-authorized"},
		"length beyond it":    {expr, "\x00\xffbox" + strings.Repeat("x", 32), good, "not-authorized"},
		"a name that is none": {expr, "b\xffx\x00" + strings.Repeat("x", 32), good, "not-authorized"},
		"a name with a slash": {expr, "box@home.test/x\x00" + strings.Repeat("x", 32), good, "not-authorized"},
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, s, 0)
			initial := test.initial
			if initial == "GOOD" {
				initial = c.initial(box.user, tok)
			}
			request := resumption(test.mechanism, initial, test.more)
			request = strings.Replace(request, " mechanism=''", "", 1)
			c.write(c.header(box.user) + request)
			c.next()
			failed(t, c.next(), test.condition)
			c.loginAgain(box, "")
		})
	}
	for name, response := range map[string]string{"no response": "", "not base64": "<initial-response>%%%</initial-response>"} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, s, 0)
			c.write(c.header(box.user) + "<authenticate xmlns='" + nsSASL2 + "' mechanism='" + expr + "'>" + response + good + "</authenticate>")
			c.next()
			if got := c.next(); !got.is(nsSASL2, "failure") {
				t.Errorf("got %+v", got)
			}
			c.loginAgain(box, "")
		})
	}
	t.Run("authenticated", func(t *testing.T) {
		c := dial(t, s, 0)
		c.login(box, "")
		c.write(resumption(expr, c.initial(box.user, tok), good))
		failed(t, c.next(), "malformed-request")
		c.bind()
	})
	calm(t, s)
	c := dial(t, s, 0)
	c.resumed(c.resume(box.user, tok), tok)
}

// An account that is gone has no streams to resume, though Prosody was not told and keeps them.
func TestAccountIsGone(t *testing.T) {
	s := prosody(t)
	box := account(t, s, "box")
	c, tok := start(t, s, box, expr)
	c.cut()
	s.Unregister(t, box.user)
	failed(t, dial(t, s, 0).resume(box.user, tok), "not-authorized")
	calm(t, s)
}

// Before TLS there is neither the feature nor a resumption, after STARTTLS there are both.
func TestOnlyOverTLS(t *testing.T) {
	s := prosody(t)
	box := account(t, s, "box")
	old, tok := start(t, s, box, expr)
	old.cut()
	c := dialPlain(t, s)
	c.write(c.header(box.user))
	if f := c.next(); f.has("isr") || !f.has("starttls") {
		t.Errorf("features %+v", f)
	}
	c.write(resumption(expr, box.user+"\x00"+proof(tok.secret, "Initiator", ""), instResume(tok, "")))
	failed(t, c.next(), "encryption-required")
	c.write("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
	c.expect("urn:ietf:params:xml:ns:xmpp-tls", "proceed")
	c.secure(tls.Client(c.conn, tlsConfig(s, tls.VersionTLS13)))
	c.resumed(c.resume(box.user, tok), tok)
	calm(t, s)
}

// A server that lets clients in without TLS gives those no token.
func TestNoTokenWithoutTLS(t *testing.T) {
	s := prosodyWith(t, testpeer.XMPPOptions{
		Plain: true, Settings: "allow_unencrypted_plain_auth = true\nisr_channel_binding_required = false",
	})
	box := account(t, s, "box")
	c := dialPlain(t, s)
	c.write(c.header(box.user))
	if f := c.next(); f.has("isr") {
		t.Errorf("features %+v", f)
	}
	c.loginAgain(box, "")
	c.bind()
	if tok := c.enable(none); tok.secret != "" || tok.id == "" {
		t.Errorf("got %+v", tok)
	}

	c, tok := start(t, s, box, none)
	c.cut()
	c = dialPlain(t, s)
	c.write(c.header(box.user))
	c.next()
	c.write(box.authenticate(instResume(tok, " with-isr-token='false'")))
	failed(t, c.next(), "encryption-required")
	calm(t, s)
}

// No token reaches the log, at any level, whatever becomes of it.
func TestTokensAreNotLogged(t *testing.T) {
	s := prosody(t, "isr_channel_binding_required = false")
	box := account(t, s, "box")
	c, tok := start(t, s, box, none)
	c.cut()
	c = dial(t, s, 0)
	next, _ := c.resumed(c.resume(box.user, tok), tok)
	c.cut()
	failed(t, dial(t, s, 0).resume(box.user, tok), "not-authorized")
	failed(t, dial(t, s, 0).resume(box.user, next), "not-authorized")
	c = dial(t, s, 0)
	c.write(c.header(box.user) + resumption(none, c.initial(box.user, tok), "<inst-resume xmlns='"+nsISR+"'/>"))
	c.next()
	failed(t, c.next(), "malformed-request")
	out := s.Output()
	for _, secret := range []string{tok.secret, next.secret} {
		if strings.Contains(out, secret) {
			t.Error("a token is in the log")
		}
	}
	if !strings.Contains(out, "Resumed instantly") {
		t.Error("there is no log")
	}
}
