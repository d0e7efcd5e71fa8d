// Package peerlink joins tests of XMPP extensions to a real server: the plainest login that there is,
// with a password over direct TLS, so that these tests do not hang on how xmpp/c2s logs in.
// It is for tests alone.
package peerlink

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/internal/testpeer"
	"xtls-agent/xmpp"
)

const (
	nsSASL = "urn:ietf:params:xml:ns:xmpp-sasl"
	nsBind = "urn:ietf:params:xml:ns:xmpp-bind"
)

// Session logs user in and returns a session that runs, after mount has put handlers on it,
// and ends with the test.
func Session(t *testing.T, server *testpeer.XMPPServer, address, password string, mount func(*xmpp.Session)) *xmpp.Session {
	t.Helper()
	l, err := login(server, address, password)
	if err != nil {
		t.Fatalf("peerlink: logging %s in: %v", address, err)
	}
	s := xmpp.NewSession(l, nil)
	if mount != nil {
		mount(s)
	}
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Serve(context.Background()) })
	t.Cleanup(func() { _ = s.Close(); wg.Wait() })
	return s
}

type link struct {
	conn  net.Conn
	in    *xmpp.Decoder
	local jid.JID
}

func login(server *testpeer.XMPPServer, address, password string) (*link, error) {
	j, err := jid.Parse(address)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	conn, err := tls.DialWithDialer(dialer, "tcp", server.DirectAddr, &tls.Config{RootCAs: server.Roots, ServerName: server.Domain, NextProtos: []string{"xmpp-client"}})
	if err != nil {
		return nil, err
	}
	l := &link{conn: conn}
	if err := l.negotiate(j, password); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return l, nil
}

func (l *link) negotiate(j jid.JID, password string) error {
	_ = l.conn.SetDeadline(time.Now().Add(20 * time.Second))
	if err := l.open(j.Domainpart()); err != nil {
		return err
	}
	plain := base64.StdEncoding.EncodeToString([]byte("\x00" + j.Localpart() + "\x00" + password))
	auth := xmpp.NewText(nsSASL, "auth", plain).With("mechanism", "PLAIN")
	if answer, err := l.ask(auth); err != nil || !answer.Is(nsSASL, "success") {
		return fmt.Errorf("authentication: %v, %w", answer, err)
	}
	if err := l.open(j.Domainpart()); err != nil {
		return err
	}
	bind := &xmpp.Stanza{Kind: xmpp.IQ, Type: xmpp.Set, ID: "bind", Payload: []*xmpp.Element{xmpp.NewElement(nsBind, "bind")}}
	answer, err := l.ask(bind.Element())
	if err != nil {
		return err
	}
	l.local, err = jid.Parse(answer.Child(nsBind, "bind").Child(nsBind, "jid").Text())
	if err != nil {
		return fmt.Errorf("binding: %v, %w", answer, err)
	}
	return l.conn.SetDeadline(time.Time{})
}

// open opens a stream and reads its features.
func (l *link) open(domain string) error {
	_, err := fmt.Fprintf(l.conn, "<stream:stream xmlns='%s' xmlns:stream='%s' to='%s' version='1.0'>", xmpp.NSClient, xmpp.NSStream, domain)
	if err != nil {
		return err
	}
	l.in = xmpp.NewDecoder(l.conn, xmpp.Limits{})
	if _, err = l.in.Root(); err == nil {
		_, err = l.in.Next()
	}
	return err
}

func (l *link) ask(el *xmpp.Element) (*xmpp.Element, error) {
	if _, err := l.conn.Write([]byte(el.String())); err != nil {
		return nil, err
	}
	return l.in.Next()
}

func (l *link) LocalAddr() jid.JID  { return l.local }
func (l *link) RemoteAddr() jid.JID { return jid.JID{} }
func (l *link) Close() error        { return l.conn.Close() }

func (l *link) ReadStanza() (*xmpp.Stanza, error) {
	for {
		el, err := l.in.Next()
		if err != nil {
			return nil, err
		}
		if el.Name.Space != xmpp.NSClient {
			return nil, io.EOF // a stream error
		}
		st, err := xmpp.ParseStanza(el)
		if err == nil {
			return st, nil
		}
	}
}

func (l *link) WriteStanza(st *xmpp.Stanza) error {
	_, err := l.conn.Write([]byte(st.Element().String()))
	return err
}
