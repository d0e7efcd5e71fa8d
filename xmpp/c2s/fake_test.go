package c2s_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/pbkdf2"
	"mellium.im/sasl"
	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/c2s"
	"xtls-agent/xmpp/stream"
)

const (
	nsTLS  = "urn:ietf:params:xml:ns:xmpp-tls"
	nsSASL = "urn:ietf:params:xml:ns:xmpp-sasl"
	nsBind = "urn:ietf:params:xml:ns:xmpp-bind"
)

// fake is one connection of a scripted server. Its methods are steps; a failed one ends the script.
type fake struct {
	t      testing.TB
	conn   net.Conn
	tls    *tls.Config // one for each server, whose tickets it takes again
	framer *stream.Framer
}

// errScript ends a script whose client has gone, which is for the client's side of the test to judge.
var errScript = errors.New("the client has gone")

// fakeServer runs script on every connection, after TLS by STARTTLS. It returns its address.
func fakeServer(t testing.TB, cert tls.Certificate, script func(*fake)) string {
	t.Helper()
	return rawServer(t, cert, func(f *fake) {
		f.header(xmpp.NewElement(nsTLS, "starttls"))
		f.read()
		f.write(xmpp.NewElement(nsTLS, "proceed"))
		f.startTLS()
		script(f)
	})
}

// rawServer runs script on every connection as it comes.
func rawServer(t testing.TB, cert tls.Certificate, script func(*fake)) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{cert}}
	var all sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				f := &fake{t: t, conn: conn, tls: config, framer: stream.NewFramer(conn, xmpp.Limits{}, 0)}
				stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
				defer stop()
				defer func() {
					_ = conn.Close()
					if r := recover(); r != nil && r != errScript {
						panic(r)
					}
				}()
				script(f)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		cancel()
		all.Wait()
	})
	return l.Addr().String()
}

func (f *fake) must(err error) {
	if err != nil {
		panic(errScript)
	}
}

// header waits for the client's header, and answers with one and the features given.
func (f *fake) header(features ...*xmpp.Element) stream.Header {
	h, err := f.framer.ReadHeader()
	f.must(err)
	answer := stream.Header{From: jid.MustParse("home.test"), ID: "1", Version: "1.0"}
	f.must(f.framer.WriteHeader(answer, xmpp.NewElement(xmpp.NSStream, "features", features...)))
	return h
}

func (f *fake) read() *xmpp.Element {
	el, err := f.framer.ReadElement()
	f.must(err)
	return el
}

func (f *fake) write(el *xmpp.Element) { f.must(f.framer.WriteElement(el)) }

func (f *fake) raw(s string) {
	_, err := io.WriteString(f.conn, s)
	f.must(err)
}

func (f *fake) startTLS() {
	conn := tls.Server(f.conn, f.tls)
	f.must(conn.HandshakeContext(context.Background()))
	f.conn, f.framer = conn, stream.NewFramer(conn, xmpp.Limits{}, 0)
}

func mechanisms(names ...string) *xmpp.Element {
	el := xmpp.NewElement(nsSASL, "mechanisms")
	for _, n := range names {
		el.Add(xmpp.NewText(nsSASL, "mechanism", n))
	}
	return el
}

// scram plays the server's side of SCRAM-SHA-256 for the password.
func (f *fake) scram(auth *xmpp.Element, password string) { f.scramNamed(auth, password, "success") }

// scramNamed is scram with its signature in an element of another name.
func (f *fake) scramNamed(auth *xmpp.Element, password, last string) {
	salt := []byte("0123456789abcdef")
	const iterations = 4096
	server := sasl.NewServer(sasl.ScramSha256, func(*sasl.Negotiator) bool { return true },
		sasl.SaltedCredentials(func(_, _ []byte, _ string) ([]byte, []byte, int64, error) {
			return salt, pbkdf2.Key([]byte(password), salt, iterations, sha256.Size, sha256.New), iterations, nil
		}))
	for name := "challenge"; ; name = last {
		data, err := base64.StdEncoding.DecodeString(auth.Text())
		f.must(err)
		more, answer, err := server.Step(data)
		if err != nil {
			f.refuse("not-authorized")
			panic(errScript)
		}
		f.write(xmpp.NewText(nsSASL, name, base64.StdEncoding.EncodeToString(answer)))
		if !more {
			return
		}
		auth = f.read()
	}
}

func (f *fake) refuse(condition string) {
	f.write(xmpp.NewElement(nsSASL, "failure", xmpp.NewElement(nsSASL, condition)))
}

// bind restarts the stream and binds what the client asks for.
func (f *fake) bind() {
	f.must(f.framer.Restart())
	f.header(xmpp.NewElement(nsBind, "bind"))
	iq := f.read()
	full := "box@home.test/" + iq.Child(nsBind, "bind").Child(nsBind, "resource").Text()
	f.write((&xmpp.Stanza{Kind: xmpp.IQ, Type: xmpp.Result, ID: iq.Attr("id"), Payload: []*xmpp.Element{
		xmpp.NewElement(nsBind, "bind", xmpp.NewText(nsBind, "jid", full))}}).Element())
}

// login is the whole of an honest server.
func (f *fake) login() {
	f.header(mechanisms("SCRAM-SHA-256"))
	f.scram(f.read(), "secret")
	f.bind()
}

func fakeConfig(addr string, roots *x509.CertPool) c2s.Config {
	return c2s.Config{
		JID: jid.MustParse("box@home.test"), Password: func() (string, error) { return "secret", nil },
		Server: addr, Roots: roots, Mode: c2s.StartTLS, Spread: time.Millisecond,
	}
}

func wantIs(t testing.TB, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("got %v, want %v", err, target)
	}
}

func wantAs[E error](t testing.TB, err error) (target E) {
	t.Helper()
	if !errors.As(err, &target) {
		t.Errorf("got %v, want a %T", err, target)
	}
	return target
}

func wantText(t testing.TB, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("got %v, want %q in it", err, text)
	}
}
