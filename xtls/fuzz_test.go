package xtls

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"testing"

	"xtls-agent/xmpp"
	"xtls-agent/xtls/jingle"
	"xtls-agent/xtls/jingle/ibb"
	"xtls-agent/xtls/tlssrp"
)

// readerConn is a conn to read from.
type readerConn struct {
	net.Conn
	io.Reader
}

func (c readerConn) Read(p []byte) (int, error) { return c.Reader.Read(p) }

// written keeps what is written; what can be read of it is in, or nothing.
type written struct {
	net.Conn
	bytes.Buffer
	in io.Reader
}

func (w *written) Write(p []byte) (int, error) { return w.Buffer.Write(p) }
func (*written) Close() error                  { return nil }

func (w *written) Read(p []byte) (int, error) {
	if w.in == nil {
		return 0, io.EOF
	}
	return w.in.Read(p)
}

// hellos returns a first record of each method.
func hellos() map[Method][]byte {
	var byCert, byPIN written
	_ = tls.Client(&byCert, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}).Handshake()
	_ = tlssrp.Client(&byPIN, &tlssrp.Config{Username: "romeo@montague.lit", Password: "48151623"}).Handshake()
	cut := func(b []byte) []byte { return b[:5+int(binary.BigEndian.Uint16(b[3:]))] }
	return map[Method][]byte{X509: cut(byCert.Bytes()), SRP: cut(byPIN.Bytes())}
}

// A ClientHello means srp iff it offers a pure SRP suite.
func TestMethodOfHello(t *testing.T) {
	for want, record := range hellos() {
		if got, err := methodOfHello(record[5:]); err != nil || got != want {
			t.Errorf("a hello by %s: %s, %v", want, got, err)
		}
		suites := 5 + 4 + 2 + 32 // where the session id begins
		suites += 1 + int(record[suites])
		suites += 2 + int(binary.BigEndian.Uint16(record[suites:]))
		for n := 5; n < suites; n++ {
			if got, err := methodOfHello(record[5:n]); err == nil {
				t.Errorf("%d bytes of a hello by %s: %s", n-5, want, got)
			}
		}
	}
}

// Every prefix of a record is refused, and what was read is read again.
func TestSniff(t *testing.T) {
	record := append(hellos()[X509], "and more"...)
	msg, again, err := sniff(readerConn{Reader: bytes.NewReader(record)})
	if err != nil || !bytes.Equal(msg, record[5:len(record)-8]) {
		t.Fatal(err)
	}
	if all, err := io.ReadAll(again); err != nil || !bytes.Equal(all, record) {
		t.Errorf("read again: %x, %v", all, err)
	}
	for n := range len(record) - 8 {
		if _, _, err := sniff(readerConn{Reader: bytes.NewReader(record[:n])}); err == nil {
			t.Errorf("%d bytes were enough", n)
		}
	}
}

func FuzzMethodOfHello(f *testing.F) {
	for _, record := range hellos() {
		f.Add(record[5:])
	}
	f.Add([]byte{1, 0, 0, 0})
	f.Fuzz(func(t *testing.T, msg []byte) {
		m, err := methodOfHello(msg)
		if (err == nil) != (m == X509 || m == SRP) {
			t.Fatalf("%q, %v", m, err)
		}
		suites, read := suitesByLibrary(msg)
		if !read {
			return // crypto/tls refuses it, which TLS itself will do, too
		}
		want := X509
		if slices.Contains(suites, tlssrp.TLS_SRP_SHA_WITH_AES_256_CBC_SHA) || slices.Contains(suites, tlssrp.TLS_SRP_SHA_WITH_AES_128_CBC_SHA) {
			want = SRP
		}
		if err != nil || m != want {
			t.Fatalf("crypto/tls reads the suites %x, and so %s; got %q, %v", suites, want, m, err)
		}
	})
}

// suitesByLibrary returns the suites that crypto/tls finds in a ClientHello, and whether it reads it at all.
func suitesByLibrary(msg []byte) (suites []uint16, read bool) {
	if len(msg) > maxHello {
		return nil, false
	}
	record := append([]byte{22, 3, 1, byte(len(msg) >> 8), byte(len(msg))}, msg...)
	errSeen := errors.New("seen")
	server := tls.Server(&written{in: bytes.NewReader(record)}, &tls.Config{
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			suites, read = hello.CipherSuites, true
			return nil, errSeen
		},
	})
	_ = server.Handshake() // fails in any case: it is over once the hello was seen
	return suites, read
}

func FuzzSniff(f *testing.F) {
	for _, record := range hellos() {
		f.Add(record)
	}
	f.Add([]byte("\x16\x03\x01\xff\xff"))
	f.Add([]byte("<?xml version='1.0'?>"))
	f.Fuzz(func(t *testing.T, b []byte) {
		msg, again, err := sniff(readerConn{Reader: bytes.NewReader(b)})
		if err != nil {
			return
		}
		if len(msg) == 0 || len(msg) > maxHello {
			t.Fatalf("%d bytes", len(msg))
		}
		if all, err := io.ReadAll(again); err != nil || !bytes.Equal(all, b) {
			t.Fatalf("read again: %x, %v", all, err)
		}
	})
}

func FuzzParseContent(f *testing.F) {
	f.Add(`<content xmlns='urn:xmpp:jingle:1' creator='initiator' name='xmlstream'><description xmlns='urn:xmpp:jingle:apps:xmlstream:0'/>` +
		`<transport xmlns='urn:xmpp:jingle:transports:ibb:0' block-size='4096' sid='ch3d9s71'/></content>`)
	f.Add(`<content xmlns='urn:xmpp:jingle:1' creator='initiator' name='x'><security xmlns='urn:xmpp:jingle:security:xtls:0'>` +
		`<fingerprint>AB:CD</fingerprint><method name='x509'/></security></content>`)
	f.Fuzz(func(t *testing.T, text string) {
		el, err := xmpp.ParseElement([]byte(`<jingle xmlns='urn:xmpp:jingle:1' action='session-initiate' sid='s'>`+text+`</jingle>`), xmpp.Limits{})
		if err != nil {
			return
		}
		j, err := jingle.Parse(el)
		if err != nil {
			return
		}
		for _, c := range j.Contents {
			tr, err := parseContent(c)
			if err == nil && (tr.SID == "" || tr.BlockSize < 1 || tr.BlockSize > ibb.MaxBlockSize || !c.Description.Is(jingle.NSStream, "description")) {
				t.Fatalf("taken: %s", text)
			}
		}
	})
}
