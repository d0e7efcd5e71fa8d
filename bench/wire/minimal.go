package wire

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// minimal is an XMPP client over a TLS socket that can do one thing: move blocks in IQs. It parses no XML, keeps no queue, copies
// nothing twice, and writes in one go what is ready. It trusts what the other minimal writes, and so could be no part of a program.
type minimal struct {
	conn net.Conn
	full string // as bound
	in   []byte // received, and not used yet
	buf  []byte // where reads go
}

// loginTimeout bounds the login; moveTimeout what a transfer may stand still.
const (
	loginTimeout = 30 * time.Second
	moveTimeout  = 30 * time.Second
)

const header = "<?xml version='1.0'?><stream:stream to='%s' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"

// newMinimal logs in by SASL PLAIN and binds a resource.
func newMinimal(t testing.TB, a account) *minimal {
	m, err := dialMinimal(t.Context(), a)
	if err != nil {
		t.Fatalf("the minimal client: %v", err)
	}
	t.Cleanup(func() { _ = m.conn.Close() })
	return m
}

func dialMinimal(ctx context.Context, a account) (*minimal, error) {
	dialer := tls.Dialer{Config: &tls.Config{RootCAs: a.server.Roots, ServerName: a.server.Domain}}
	conn, err := dialer.DialContext(ctx, "tcp", a.server.DirectAddr)
	if err != nil {
		return nil, err
	}
	m := &minimal{conn: conn, buf: make([]byte, 64<<10)}
	if err := m.login(a); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return m, nil
}

func (m *minimal) login(a account) error {
	_ = m.conn.SetDeadline(time.Now().Add(loginTimeout))
	plain := base64.StdEncoding.EncodeToString([]byte("\x00" + a.jid.Localpart() + "\x00" + a.password))
	head := fmt.Sprintf(header, a.server.Domain)
	for _, step := range []struct{ send, until string }{
		{head, "</stream:features>"},
		{"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + plain + "</auth>", "<success"},
		{head, "</stream:features>"},
		{"<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>", "</jid>"},
	} {
		if _, err := m.conn.Write([]byte(step.send)); err != nil {
			return err
		}
		said, err := m.readUntil(step.until)
		if err != nil {
			return fmt.Errorf("waiting for %s: %w", step.until, err)
		}
		_, jid, _ := strings.Cut(said, "<jid>")
		m.full, _, _ = strings.Cut(jid, "</jid>")
	}
	m.in = nil
	return m.conn.SetDeadline(time.Time{})
}

// readUntil reads up to a text, and drops it all.
func (m *minimal) readUntil(text string) (string, error) {
	for {
		if i := bytes.Index(m.in, []byte(text)); i >= 0 {
			said := string(m.in[:i+len(text)])
			m.in = m.in[i+len(text):]
			return said, nil
		}
		if err := m.read(); err != nil {
			return "", err
		}
	}
}

// read reads once, behind what is there.
func (m *minimal) read() error {
	n, err := m.conn.Read(m.buf)
	m.in = append(m.in, m.buf[:n]...)
	return err
}

// send sends data to a full JID in blocks, with at most window of them unacknowledged.
func (m *minimal) send(to string, data []byte, block, window int) error {
	m.in = m.in[:0]
	blocks := (len(data) + block - 1) / block
	out := make([]byte, 0, window*(2*block))
	for sent, acked := 0, 0; acked < blocks; {
		_ = m.conn.SetDeadline(time.Now().Add(moveTimeout))
		out = out[:0]
		for ; sent < blocks && sent-acked < window; sent++ {
			out = appendBlock(out, to, sent, data[sent*block:min(len(data), (sent+1)*block)])
		}
		if len(out) > 0 {
			if _, err := m.conn.Write(out); err != nil {
				return err
			}
		}
		if err := m.read(); err != nil {
			return err
		}
		n, err := m.acknowledged()
		if err != nil {
			return err
		}
		acked += n
	}
	return nil
}

func appendBlock(dst []byte, to string, seq int, block []byte) []byte {
	dst = fmt.Appendf(dst, "<iq type='set' id='m%d' to='%s'><data xmlns='http://jabber.org/protocol/ibb' seq='%d' sid='raw'>", seq, to, seq&0xFFFF)
	dst = base64.StdEncoding.AppendEncode(dst, block)
	return append(dst, "</data></iq>"...)
}

// acknowledged counts the answers that have come whole, and drops them.
func (m *minimal) acknowledged() (n int, err error) {
	for {
		end := bytes.Index(m.in, []byte("/>"))
		if end < 0 {
			return n, nil
		}
		if !bytes.Contains(m.in[:end], []byte("result")) {
			return n, fmt.Errorf("got %.300q for an answer", m.in)
		}
		m.in = append(m.in[:0], m.in[end+2:]...)
		n++
	}
}

// receive takes size bytes that from sends, acknowledges them, and returns them.
func (m *minimal) receive(from string, size int) ([]byte, error) {
	m.in = m.in[:0]
	data := make([]byte, 0, size+3)
	var acks []byte
	for len(data) < size {
		_ = m.conn.SetDeadline(time.Now().Add(moveTimeout))
		if err := m.read(); err != nil {
			return nil, err
		}
		var err error
		if data, acks, err = m.blocks(from, data, acks[:0]); err != nil {
			return nil, err
		}
		if len(acks) > 0 {
			if _, err := m.conn.Write(acks); err != nil {
				return nil, err
			}
		}
	}
	return data, nil
}

// blocks appends the bytes of all blocks that have come whole to data, and their acknowledgements to acks.
func (m *minimal) blocks(from string, data, acks []byte) ([]byte, []byte, error) {
	rest := m.in
	for {
		end := bytes.Index(rest, []byte("</data></iq>"))
		if end < 0 {
			m.in = append(m.in[:0], rest...)
			return data, acks, nil
		}
		tags, text := rest[:end], rest[:end]
		if i := bytes.LastIndexByte(text, '>'); i >= 0 {
			tags, text = tags[:i], text[i+1:]
		}
		rest = rest[end+len("</data></iq>"):]
		acks = fmt.Appendf(acks, "<iq type='result' id='%s' to='%s'/>", attr(tags, " id="), from)
		var err error
		if data, err = base64.StdEncoding.AppendDecode(data, text); err != nil {
			return nil, nil, err
		}
	}
}

// attr returns the value that follows a name, in quotes of either kind.
func attr(tag []byte, name string) []byte {
	i := bytes.Index(tag, []byte(name))
	if i < 0 || i+len(name) >= len(tag) {
		return nil
	}
	rest := tag[i+len(name):]
	if end := bytes.IndexByte(rest[1:], rest[0]); end >= 0 {
		return rest[1 : 1+end]
	}
	return nil
}
