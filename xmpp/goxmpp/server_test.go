package goxmpp

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/internal/testpeer"
	"xtls-agent/xmpp"
)

const (
	testDomain   = "home.test"
	testPassword = "the right password"
	nsSASL       = "urn:ietf:params:xml:ns:xmpp-sasl"
	nsBind       = "urn:ietf:params:xml:ns:xmpp-bind"
	nsTLS        = "urn:ietf:params:xml:ns:xmpp-tls"
	streamHeader = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' from='home.test' id='s' version='1.0'>"
)

// server is a scripted XMPP server: it logs clients in as servers do, then leaves the stream to the test.
type server struct {
	starttls   bool
	mechanisms []string // SCRAM-SHA-256 if empty
	bindings   []string // types of channel binding
	refusePlus bool     // as ejabberd 23.01 does
	failure    string   // XML of what a login fails with
	atStart    string   // sent in place of the first features

	// challenge makes what is sent in place of a good challenge, each part by itself; nil sends it as servers do.
	challenge func(nonce, good string) []string

	addr     string
	tls      *tls.Config
	ca       *testpeer.Authority
	listener net.Listener
	clients  chan *client
	serving  sync.WaitGroup

	mu     sync.Mutex // guards what follows
	tried  []string   // mechanisms that clients chose
	proofs int        // answers to challenges
	conns  []net.Conn
	closed bool
}

// client is a stream that is logged in, from the server's side.
type client struct {
	conn net.Conn
	raw  net.Conn // beneath TLS
	dec  *xmpp.Decoder
	jid  string
}

// newServer starts s, whose certificate is for testDomain unless s.tls is set.
func newServer(t *testing.T, s *server) *server {
	t.Helper()
	if s.ca == nil {
		s.ca = testpeer.NewAuthority(t)
	}
	if s.tls == nil {
		s.tls = &tls.Config{Certificates: []tls.Certificate{s.ca.Issue(t, testpeer.Validity{}, testDomain).TLS}}
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.listener, s.addr, s.clients = l, l.Addr().String(), make(chan *client, 16)
	s.serving.Go(s.accept)
	t.Cleanup(s.stop)
	return s
}

func (s *server) stop() {
	_ = s.listener.Close()
	s.mu.Lock()
	s.closed = true
	for _, c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.serving.Wait()
}

func (s *server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns = append(s.conns, conn)
		if s.closed {
			_ = conn.Close()
		}
		s.mu.Unlock()
		s.serving.Go(func() {
			if c, err := s.login(conn); err == nil {
				s.clients <- c
			} else {
				_ = conn.Close()
			}
		})
	}
}

func (s *server) login(raw net.Conn) (*client, error) {
	var conn net.Conn = raw
	if s.starttls {
		dec := xmpp.NewDecoder(raw, xmpp.Limits{})
		if _, err := dec.Root(); err != nil {
			return nil, err
		}
		say(raw, streamHeader+"<stream:features><starttls xmlns='"+nsTLS+"'><required/></starttls></stream:features>")
		if el, err := dec.Next(); err != nil || !el.Is(nsTLS, "starttls") {
			return nil, errors.Join(err, errors.New("no starttls"))
		}
		if dec.Buffered() > 0 { // RFC 6120 §5.3.3: what stands there would be taken for TLS
			return nil, errors.New("something stands behind <starttls/>")
		}
		say(raw, "<proceed xmlns='"+nsTLS+"'/>")
	}
	secure := tls.Server(raw, s.tls)
	if err := secure.Handshake(); err != nil {
		return nil, err
	}
	conn = secure
	dec := xmpp.NewDecoder(conn, xmpp.Limits{})
	if _, err := dec.Root(); err != nil {
		return nil, err
	}
	say(conn, streamHeader+s.features())
	if err := s.authenticate(conn, dec); err != nil {
		return nil, err
	}
	return s.bind(conn, raw)
}

func (s *server) features() string {
	if s.atStart != "" {
		return s.atStart
	}
	if len(s.mechanisms) == 0 {
		s.mechanisms = []string{"SCRAM-SHA-256"}
	}
	var b strings.Builder
	b.WriteString("<stream:features><mechanisms xmlns='" + nsSASL + "'>")
	for _, m := range s.mechanisms {
		b.WriteString("<mechanism>" + m + "</mechanism>")
	}
	b.WriteString("</mechanisms><sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'>")
	for _, c := range s.bindings {
		b.WriteString("<channel-binding type='" + c + "'/>")
	}
	b.WriteString("</sasl-channel-binding></stream:features>")
	return b.String()
}

// authenticate is the server's side of SCRAM-SHA-256 (RFC 5802). It does not look at channel bindings.
func (s *server) authenticate(conn net.Conn, dec *xmpp.Decoder) error {
	auth, err := dec.Next()
	if err != nil {
		return err
	}
	mechanism := auth.Attr("mechanism")
	s.mu.Lock()
	s.tried = append(s.tried, mechanism)
	s.mu.Unlock()
	first, _ := base64.StdEncoding.DecodeString(auth.Text())
	_, bare, _ := strings.Cut(string(first), ",,")
	_, nonce, _ := strings.Cut(bare, ",r=")
	salt := []byte("salt")
	challenge := fmt.Sprintf("r=%s,s=%s,i=4096", nonce+rand.Text(), base64.StdEncoding.EncodeToString(salt))
	parts := []string{asChallenge(challenge)}
	if s.challenge != nil {
		parts = s.challenge(nonce, challenge)
	}
	for _, part := range parts {
		say(conn, part)
	}
	response, err := dec.Next()
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.proofs++
	s.mu.Unlock()
	final, _ := base64.StdEncoding.DecodeString(response.Text())
	without, proof, _ := strings.Cut(string(final), ",p=")
	salted, err := pbkdf2.Key(sha256.New, testPassword, salt, 4096, sha256.Size)
	if err != nil {
		return err
	}
	message := bare + "," + challenge + "," + without
	clientKey := mac(salted, "Client Key")
	stored := sha256.Sum256(clientKey)
	for i, b := range mac(stored[:], message) {
		clientKey[i] ^= b
	}
	if s.failure != "" || proof != base64.StdEncoding.EncodeToString(clientKey) || s.refusePlus && strings.HasSuffix(mechanism, "-PLUS") {
		failure := s.failure
		if failure == "" {
			failure = "<not-authorized/>"
		}
		say(conn, "<failure xmlns='"+nsSASL+"'>"+failure+"</failure>")
		return errors.New("refused")
	}
	verifier := "v=" + base64.StdEncoding.EncodeToString(mac(mac(salted, "Server Key"), message))
	say(conn, "<success xmlns='"+nsSASL+"'>"+base64.StdEncoding.EncodeToString([]byte(verifier))+"</success>")
	return nil
}

func asChallenge(message string) string {
	return "<challenge xmlns='" + nsSASL + "'>" + base64.StdEncoding.EncodeToString([]byte(message)) + "</challenge>"
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// bind ends the login: resource binding, and the client's initial presence.
func (s *server) bind(conn, raw net.Conn) (*client, error) {
	dec := xmpp.NewDecoder(conn, xmpp.Limits{})
	root, err := dec.Root()
	if err != nil {
		return nil, err
	}
	say(conn, streamHeader+"<stream:features><bind xmlns='"+nsBind+"'/></stream:features>")
	iq, err := dec.Next()
	if err != nil {
		return nil, err
	}
	resource := iq.Child(nsBind, "bind").Child(nsBind, "resource").Text()
	full := root.Attr("from") + "/" + resource
	say(conn, "<iq type='result' id='"+iq.Attr("id")+"'><bind xmlns='"+nsBind+"'><jid>"+full+"</jid></bind></iq>")
	if presence, err := dec.Next(); err != nil || !presence.Is(xmpp.NSClient, "presence") {
		return nil, errors.Join(err, errors.New("no initial presence"))
	}
	return &client{conn: conn, raw: raw, dec: dec, jid: full}, nil
}

func say(conn net.Conn, text string) { _, _ = conn.Write([]byte(text)) } // a client that left shows when reading

// send says text to the client.
func (c *client) send(text string) { say(c.conn, text) }

// read returns what the client sends next.
func (c *client) read(t *testing.T) *xmpp.Element {
	t.Helper()
	_ = c.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	el, err := c.dec.Next()
	if err != nil {
		t.Fatalf("the server reads: %v", err)
	}
	return el
}

// config logs in at s as user.
func (s *server) config(user string) Config {
	return Config{
		JID: jid.MustParse(user + "@" + testDomain), Password: password(testPassword),
		Server: s.addr, Mode: DirectTLS, Roots: s.ca.Pool, LoginTimeout: 10 * time.Second,
	}
}

func password(p string) func() (string, error) { return func() (string, error) { return p, nil } }

// connect returns a link to s, and the server's end of it.
func connect(t *testing.T, s *server, cfg Config) (*Link, *client) {
	t.Helper()
	link, err := Dial(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = link.Close() })
	select {
	case c := <-s.clients:
		t.Cleanup(func() { _ = c.raw.Close() }) // first, since an orderly end would wait for the server's
		return link, c
	case <-time.After(10 * time.Second):
		t.Fatal("the server has no client")
		return nil, nil
	}
}

// read is ReadStanza with an end to the wait.
func read(t *testing.T, l *Link) (*xmpp.Stanza, error) {
	t.Helper()
	late := time.AfterFunc(10*time.Second, func() { l.relay.kill(errors.New("nothing arrived within 10 s")) })
	defer late.Stop()
	return l.ReadStanza()
}

// mustRead fails the test if nothing comes.
func mustRead(t *testing.T, l *Link) *xmpp.Stanza {
	t.Helper()
	st, err := read(t, l)
	if err != nil {
		t.Fatal(err)
	}
	return st
}
