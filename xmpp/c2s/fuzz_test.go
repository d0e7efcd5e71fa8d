package c2s

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"io"
	"log/slog"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/internal/fuzztest"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/stream"
)

// fuzzPassword is what no server may learn.
const fuzzPassword = "hunter22-hunter22"

// A scriptedServer says one line of its script at each read. {…} stands for base64 of it, NONCE in it for the client's own,
// and ID for that of the client's last request: without those no script would get far.
type scriptedServer struct {
	net.Conn // nil: what is not defined here is not used
	lines    []string
	heard    bytes.Buffer
	pending  []byte
}

var (
	encoded  = regexp.MustCompile(`\{[^{}]*\}`)
	firstOut = regexp.MustCompile(`<auth [^>]*>([A-Za-z0-9+/=]*)</auth>`)
	lastID   = regexp.MustCompile(` id='([^']*)'`)
)

func (s *scriptedServer) Write(p []byte) (int, error)      { return s.heard.Write(p) }
func (s *scriptedServer) SetDeadline(time.Time) error      { return nil }
func (s *scriptedServer) RemoteAddr() net.Addr             { return nil }
func (s *scriptedServer) SetReadDeadline(time.Time) error  { return nil }
func (s *scriptedServer) SetWriteDeadline(time.Time) error { return nil }
func (s *scriptedServer) Close() error                     { return nil }

func (s *scriptedServer) Read(p []byte) (int, error) {
	for len(s.pending) == 0 {
		if len(s.lines) == 0 {
			return 0, io.EOF
		}
		s.pending, s.lines = []byte(s.fill(s.lines[0])), s.lines[1:]
	}
	n := copy(p, s.pending)
	s.pending = s.pending[n:]
	return n, nil
}

// fill puts the client's nonce and id in their places.
func (s *scriptedServer) fill(line string) string {
	nonce := ""
	if all := firstOut.FindAllStringSubmatch(s.heard.String(), -1); len(all) > 0 {
		first, _ := base64.StdEncoding.DecodeString(all[len(all)-1][1][:len(all[len(all)-1][1])/4*4])
		_, nonce, _ = strings.Cut(string(first), ",r=")
	}
	if all := lastID.FindAllStringSubmatch(s.heard.String(), -1); len(all) > 0 {
		line = strings.ReplaceAll(line, "ID", all[len(all)-1][1])
	}
	return encoded.ReplaceAllStringFunc(line, func(m string) string {
		return base64.StdEncoding.EncodeToString([]byte(strings.ReplaceAll(m[1:len(m)-1], "NONCE", nonce)))
	})
}

// negotiationWith is a negotiation after TLS.
func negotiationWith(s *scriptedServer) *negotiation {
	cfg := Config{
		JID: jid.MustParse("romeo@home.test"), Password: func() (string, error) { return fuzzPassword, nil },
		StepTimeout: time.Minute, Now: time.Now, Log: slog.New(slog.DiscardHandler), Limits: xmpp.Limits{Bytes: 8192},
	}
	return &negotiation{cfg: cfg, conn: s, raw: s, framer: stream.NewFramer(s, cfg.Limits, 0), keys: openKeyring(cfg), bound: &bound{}}
}

// The beginning of what servers say.
const (
	serverHeader   = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' from='home.test' id='1' version='1.0'>"
	scramFeatures  = "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism></mechanisms></stream:features>"
	scramChallenge = "<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{r=NONCEabc,s=c2FsdA==,i=4096}</challenge>"
)

// FuzzLogin: whatever a server says that does not know the password, the login fails in one line, and the server learns nothing
// of the password but a proof.
func FuzzLogin(f *testing.F) {
	for _, rest := range []string{
		scramChallenge + "\n<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{v=rmF9pqV8S7suAoZWja4dJRkFsKQ=}</success>",
		scramChallenge + "\n<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
		scramChallenge + "\n<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{v=}</challenge>\n<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
		"<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
		"<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/><text>no\nway</text></failure>",
		"<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{r=NONCEabc,s=,i=4096}</challenge>", "<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{r=NONCE,s=c2FsdA==,i=1,}</challenge>",
		"<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><" + strings.Repeat("x", 5000) + "/></failure>", "<" + strings.Repeat(":", 5000),
		"<stream:error><" + strings.Repeat("x", 5000) + " xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
		"</stream:stream>", "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
	} {
		f.Add(serverHeader + "\n" + scramFeatures + "\n" + rest)
	}
	f.Add(serverHeader + "\n<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms></stream:features>")
	f.Fuzz(func(t *testing.T, script string) {
		server := &scriptedServer{lines: strings.Split(script, "\n")}
		n := negotiationWith(server)
		err := n.open(context.Background())
		if err == nil {
			if err = n.authenticate(context.Background()); err == nil {
				t.Fatalf("logged in by %q", script)
			}
		}
		fuzztest.Line(t, err, fuzzPassword)
		said := server.heard.String()
		for _, secret := range []string{fuzzPassword, base64.StdEncoding.EncodeToString([]byte(fuzzPassword)), base64.StdEncoding.EncodeToString([]byte("\x00romeo\x00" + fuzzPassword))} {
			if strings.Contains(said, secret) {
				t.Fatalf("the server was told the password: %q", said)
			}
		}
	})
}

// FuzzBind: a server that has proven itself may still say what it likes; the address that is bound is a full one.
func FuzzBind(f *testing.F) {
	const bindFeatures = "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></stream:features>"
	for _, rest := range []string{
		"<iq type='result' id='ID'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>romeo@home.test/x</jid></bind></iq>\n<iq type='result' id='ID'/>",
		"<iq type='result' id='ID'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>home.test</jid></bind></iq>", "<iq type='result' id='other'/>", "<message/>",
		"<iq type='error' id='ID'><error type='wait'><resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
	} {
		f.Add(serverHeader + "\n" + bindFeatures + "\n" + rest)
	}
	f.Fuzz(func(t *testing.T, script string) {
		n := negotiationWith(&scriptedServer{lines: strings.Split(script, "\n")})
		if fuzztest.Line(t, n.open(context.Background())) {
			return
		}
		bound, err := n.bind(context.Background())
		if !fuzztest.Line(t, err) && (bound.Localpart() == "" || bound.Resourcepart() == "") {
			t.Fatalf("bound %v", bound)
		}
	})
}

// FuzzSuccess: whatever stands in the success of a server that has proven itself, what is taken of it is of a form that can be
// used, and the token is not in the error.
func FuzzSuccess(f *testing.F) {
	const id = "<authorization-identifier>romeo@home.test/x</authorization-identifier>"
	for _, s := range []string{
		id + "<bound xmlns='urn:xmpp:bind:0'><enabled xmlns='urn:xmpp:sm:3' id='1' resume='1' max='300'/></bound><token xmlns='urn:xmpp:fast:0' token='tok-tok-tok' expiry='2099-01-01T00:00:00Z'/>",
		id + "<resumed xmlns='urn:xmpp:sm:3' previd='old' h='7'/>", id + "<failed xmlns='urn:xmpp:sm:3' h='7'/><bound xmlns='urn:xmpp:bind:0'/>",
		"<authorization-identifier>home.test</authorization-identifier>", "",
		id + "<inst-resumed xmlns='https://xmpp.org/extensions/isr/0' token='t'><resumed xmlns='urn:xmpp:sm:3' previd='old' h='7'/></inst-resumed>",
		id + "<inst-resume-failed xmlns='https://xmpp.org/extensions/isr/0'><failed xmlns='urn:xmpp:sm:3' h='7'/></inst-resume-failed>",
		id + "<inst-resumed xmlns='https://xmpp.org/extensions/isr/0'/>",
		id + "<resumed xmlns='urn:xmpp:sm:3'/><failed xmlns='urn:xmpp:sm:3'/>",
	} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, content string, claims bool) {
		el, err := xmpp.ParseElement([]byte("<success xmlns='urn:xmpp:sasl:2'>"+content+"</success>"), xmpp.Limits{Bytes: 8192})
		if err != nil {
			return
		}
		n := negotiationWith(&scriptedServer{})
		if claims {
			n.claim = &claim{terms: terms{id: "old", instant: &instant{mechanism: "HT-SHA-256-EXPR"}}}
		}
		if fuzztest.Line(t, n.succeeded(el, "HT-SHA-256-EXPR", inline{true, true, true, "HT-SHA-256-EXPR"}), "tok-tok-tok") {
			return
		}
		v := n.bound.verdict
		if v != nil && (!claims || v.resumed && n.bound.isBound()) || n.bound.isBound() && n.bound.local.Localpart() == "" {
			t.Errorf("%s: %+v, %+v", content, n.bound, v)
		}
		if k := n.keys.keys; k.Token != "" && (k.Mechanism != "HT-SHA-256-EXPR" || len(k.Token) > maxToken) {
			t.Errorf("%s: %+v", content, k)
		}
	})
}

// FuzzKeys: what is read from a store is of a form that can be used, or damaged, which is said without quoting it.
func FuzzKeys(f *testing.F) {
	f.Add([]byte(`{"jid":"a@b","agent":"6f1ba4a4-2b3a-4d3b-8f2b-7a3f0a1c2d3e","token":"secret-secret","mechanism":"HT-SHA-256-EXPR","expiry":"2099-01-01T00:00:00Z","inline":{"bind":true}}`))
	f.Add([]byte(`{"agent":"secret-secret"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := parseKeys(data)
		if fuzztest.Line(t, err, "secret-secret") {
			return
		}
		if len(k.Agent) != 36 || k.Token != "" && !strings.HasPrefix(k.Mechanism, "HT-SHA-256-") {
			t.Errorf("%s: %+v", data, k)
		}
		if _, ok := bindingOf(k.Mechanism, tls.ConnectionState{}); ok && k.Mechanism != "HT-SHA-256-NONE" {
			t.Errorf("%q binds to nothing", k.Mechanism)
		}
	})
}

// FuzzOffers: features are read without trouble, however they are written.
func FuzzOffers(f *testing.F) {
	f.Add("<authentication xmlns='urn:xmpp:sasl:2'><mechanism>SCRAM-SHA-256</mechanism><inline><fast xmlns='urn:xmpp:fast:0'><mechanism>HT-SHA-256-EXPR</mechanism></fast>" +
		"<bind xmlns='urn:xmpp:bind:0'><inline><feature var='urn:xmpp:sm:3'/></inline></bind><sm xmlns='urn:xmpp:sm:3'/></inline></authentication>")
	f.Fuzz(func(t *testing.T, content string) {
		el, err := xmpp.ParseElement([]byte("<features>"+content+"</features>"), xmpp.Limits{Bytes: 8192})
		if err != nil {
			return
		}
		o := parseOffers(el)
		if o.inline.Enable && !o.inline.Bind {
			t.Errorf("%s: %+v", content, o)
		}
		n := negotiationWith(&scriptedServer{})
		if m := n.keys.wanted(o.fast, tls.ConnectionState{}); m != "" && m != "HT-SHA-256-NONE" {
			t.Errorf("%s: wants %q on a connection that binds nothing", content, m)
		}
	})
}
