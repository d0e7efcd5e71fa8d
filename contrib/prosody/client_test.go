package prosody_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"xtls-agent/internal/testpeer"
)

const (
	nsISR   = "https://xmpp.org/extensions/isr/0"
	nsSM    = "urn:xmpp:sm:3"
	nsSASL2 = "urn:xmpp:sasl:2"
	nsFAST  = "urn:xmpp:fast:0"
	nsBind2 = "urn:xmpp:bind:0"
)

// An element is what a server said, whole.
type element struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Text     string     `xml:",chardata"`
	Children []element  `xml:",any"`
}

func (e *element) attr(name string) string {
	for _, a := range e.Attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// child returns the element at the end of a path of names, or an empty one.
func (e *element) child(path ...string) *element {
	for _, name := range path {
		var found *element
		for i := range e.Children {
			if e.Children[i].XMLName.Local == name {
				found = &e.Children[i]
				break
			}
		}
		if found == nil {
			return &element{}
		}
		e = found
	}
	return e
}

// has says whether there is an element at the end of a path of names.
func (e *element) has(path ...string) bool { return e.child(path...).XMLName.Local != "" }

func (e *element) is(space, name string) bool {
	return e.XMLName.Space == space && e.XMLName.Local == name
}

// A person has an account.
type person struct{ user, password string }

func account(t *testing.T, s *testpeer.XMPPServer, user string) person {
	t.Helper()
	_, password := s.Account(t, user)
	return person{user, password}
}

// A client speaks XML as the test tells it, with no opinion of its own.
type client struct {
	t      *testing.T
	server *testpeer.XMPPServer
	conn   net.Conn
	tls    *tls.Conn // nil before TLS
	xml    *xml.Decoder
	jid    string // once bound
	seen   int    // stanzas since stream management was enabled
}

// dial connects by direct TLS, version 1.3 unless told otherwise.
func dial(t *testing.T, s *testpeer.XMPPServer, version uint16) *client {
	t.Helper()
	c := connect(t, s, s.DirectAddr)
	c.secure(tls.Client(c.conn, tlsConfig(s, version)))
	return c
}

// dialPlain connects to where STARTTLS is offered.
func dialPlain(t *testing.T, s *testpeer.XMPPServer) *client {
	t.Helper()
	c := connect(t, s, s.Addr)
	c.xml = xml.NewDecoder(c.conn)
	return c
}

func connect(t *testing.T, s *testpeer.XMPPServer, addr string) *client {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	return &client{t: t, server: s, conn: conn}
}

func tlsConfig(s *testpeer.XMPPServer, version uint16) *tls.Config {
	if version == 0 {
		version = tls.VersionTLS13
	}
	return &tls.Config{ServerName: s.Domain, RootCAs: s.Roots, NextProtos: []string{"xmpp-client"}, MinVersion: version, MaxVersion: version}
}

// secure goes on inside TLS.
func (c *client) secure(conn *tls.Conn) {
	c.t.Helper()
	if err := conn.Handshake(); err != nil {
		c.t.Fatal(err)
	}
	c.conn, c.tls, c.xml = conn, conn, xml.NewDecoder(conn)
}

func (c *client) write(text string) {
	c.t.Helper()
	if _, err := c.conn.Write([]byte(text)); err != nil {
		c.t.Fatal(err)
	}
}

// cut ends the connection as a network does.
func (c *client) cut() { _ = c.tls.NetConn().Close() }

func (c *client) header(user string) string {
	return fmt.Sprintf("<?xml version='1.0'?><stream:stream from='%s@%s' to='%[2]s' version='1.0' xmlns='jabber:client' "+
		"xmlns:stream='http://etherx.jabber.org/streams'>", user, c.server.Domain)
}

// next reads an element. What counts for stream management is counted; requests for acknowledgements are passed over.
func (c *client) next() *element {
	c.t.Helper()
	e, err := c.read()
	if err != nil {
		c.t.Fatalf("reading: %v", err)
	}
	return e
}

func (c *client) read() (*element, error) {
	for {
		token, err := c.xml.Token()
		if err != nil {
			return nil, err
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local == "stream" {
			continue
		}
		e := new(element)
		if err := c.xml.DecodeElement(e, &start); err != nil {
			return nil, err
		}
		if e.XMLName.Space == "jabber:client" {
			c.seen++
		}
		if e.is(nsSM, "r") {
			continue
		}
		return e, nil
	}
}

// expect reads the next element, which must be that.
func (c *client) expect(space, name string) *element {
	c.t.Helper()
	e := c.next()
	if !e.is(space, name) {
		c.t.Fatalf("got %+v, not <%s xmlns='%s'/>", e, name, space)
	}
	return e
}

// ended waits until the server has closed the connection.
func (c *client) ended() {
	c.t.Helper()
	for {
		if _, err := c.read(); err != nil {
			return
		}
	}
}

// authenticate is what a person sends to log in with a password, more being children of it.
func (p person) authenticate(more string) string {
	plain := base64.StdEncoding.EncodeToString([]byte("\x00" + p.user + "\x00" + p.password))
	return "<authenticate xmlns='" + nsSASL2 + "' mechanism='PLAIN'><initial-response>" + plain + "</initial-response>" +
		more + "</authenticate>"
}

// login logs in with a password and returns the <success/>.
func (c *client) login(p person, more string) *element {
	c.t.Helper()
	c.write(c.header(p.user))
	c.next()
	return c.loginAgain(p, more)
}

// loginAgain is the same on a stream that is open.
func (c *client) loginAgain(p person, more string) *element {
	c.t.Helper()
	c.write(p.authenticate(more))
	success := c.expect(nsSASL2, "success")
	c.expect("http://etherx.jabber.org/streams", "features")
	return success
}

// bind takes a resource.
func (c *client) bind() {
	c.t.Helper()
	c.write("<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
	c.jid = c.next().child("bind", "jid").Text
	if c.jid == "" {
		c.t.Fatal("no resource")
	}
}

// A token is what a client keeps for the next time.
type token struct {
	secret, mechanism, id string
	seen                  int // h
}

func enable(mechanism string) string {
	return "<enable xmlns='" + nsSM + "' resume='true'><isr-enable xmlns='" + nsISR + "' mechanism='" + mechanism + "'/></enable>"
}

// enable turns stream management on, and returns the token that came with it.
func (c *client) enable(mechanism string) token {
	c.t.Helper()
	c.write(enable(mechanism))
	enabled := c.expect(nsSM, "enabled")
	c.seen = 0
	return token{secret: enabled.child("isr-enabled").attr("token"), mechanism: mechanism, id: enabled.attr("id")}
}

// start logs in, binds, and enables instant resumption.
func start(t *testing.T, s *testpeer.XMPPServer, p person, mechanism string) (*client, token) {
	t.Helper()
	c := dial(t, s, versionFor(mechanism))
	c.login(p, "")
	c.bind()
	tok := c.enable(mechanism)
	if len(tok.secret) < 22 || tok.id == "" { // 128 bits in base64
		t.Fatalf("token %q for stream %q", tok.secret, tok.id)
	}
	return c, tok
}

// versionFor is the version of TLS that has the mechanism's channel binding.
func versionFor(mechanism string) uint16 {
	if strings.HasSuffix(mechanism, "-UNIQ") {
		return tls.VersionTLS12
	}
	return tls.VersionTLS13
}

// binding is the channel binding data of a mechanism.
func (c *client) binding(mechanism string) string {
	c.t.Helper()
	state := c.tls.ConnectionState()
	switch {
	case strings.HasSuffix(mechanism, "-EXPR"):
		data, err := state.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
		if err != nil {
			c.t.Fatal(err)
		}
		return string(data)
	case strings.HasSuffix(mechanism, "-UNIQ"):
		return string(state.TLSUnique)
	case strings.HasSuffix(mechanism, "-ENDP"):
		sum := sha256.Sum256(state.PeerCertificates[0].Raw)
		return string(sum[:])
	}
	return ""
}

func proof(secret, who, binding string) string {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(who + binding))
	return string(h.Sum(nil))
}

// initial is the initiator's message of an HT mechanism.
func (c *client) initial(user string, tok token) string {
	return user + "\x00" + proof(tok.secret, "Initiator", c.binding(tok.mechanism))
}

func instResume(tok token, attrs string) string {
	return fmt.Sprintf("<inst-resume xmlns='%s'%s><resume xmlns='%s' h='%d' previd='%s'/></inst-resume>", nsISR, attrs, nsSM, tok.seen, tok.id)
}

// resumption is the <authenticate/> with which a token is used, more being children of it.
func resumption(mechanism, initial, more string) string {
	return "<authenticate xmlns='" + nsSASL2 + "' mechanism='" + mechanism + "'><initial-response>" +
		base64.StdEncoding.EncodeToString([]byte(initial)) + "</initial-response>" + more + "</authenticate>"
}

// resume uses a token: all in one flight, before anything is read. It returns the answer.
func (c *client) resume(user string, tok token) *element {
	c.t.Helper()
	c.write(c.header(user) + resumption(tok.mechanism, c.initial(user, tok), instResume(tok, " with-isr-token='true'")))
	c.expect("http://etherx.jabber.org/streams", "features")
	return c.next()
}

// resumed checks a <success/> and returns the next token, the server's h, and how many stanzas it says that it has.
func (c *client) resumed(answer *element, old token) (next token, h string) {
	c.t.Helper()
	in := answer.child("inst-resumed")
	resumed := in.child("resumed")
	said, _ := base64.StdEncoding.DecodeString(answer.child("additional-data").Text)
	switch {
	case !answer.is(nsSASL2, "success") || !in.is(nsISR, "inst-resumed") || !resumed.is(nsSM, "resumed"):
		c.t.Fatalf("not resumed: %+v", answer)
	case string(said) != proof(old.secret, "Responder", c.binding(old.mechanism)):
		c.t.Fatal("the server has not proven itself")
	case resumed.attr("previd") != old.id:
		c.t.Fatalf("previd %q", resumed.attr("previd"))
	case len(in.attr("token")) < 22 || in.attr("token") == old.secret:
		c.t.Fatalf("token %q", in.attr("token"))
	}
	c.seen = old.seen
	return token{secret: in.attr("token"), mechanism: old.mechanism, id: old.id, seen: old.seen}, resumed.attr("h")
}

// failed checks that an answer is a <failure/> with that condition.
func failed(t *testing.T, answer *element, condition string) {
	t.Helper()
	if !answer.is(nsSASL2, "failure") || !answer.has(condition) {
		t.Fatalf("got %+v, not a failure with <%s/>", answer, condition)
	}
}

// chat returns messages with the bodies given.
func chat(to string, bodies ...string) string {
	var b strings.Builder
	for _, body := range bodies {
		fmt.Fprintf(&b, "<message to='%s' type='chat'><body>%s</body></message>", to, body)
	}
	return b.String()
}

// bodies returns those of all messages that the server has for us: it sends a ping, and reads up to its answer.
func (c *client) bodies() []string {
	c.t.Helper()
	id := fmt.Sprint("ping", time.Now().UnixNano())
	c.write("<iq type='get' id='" + id + "'><ping xmlns='urn:xmpp:ping'/></iq>")
	var all []string
	for {
		switch e := c.next(); {
		case e.XMLName.Local == "message":
			all = append(all, e.child("body").Text)
		case e.attr("id") == id:
			return all
		}
	}
}
