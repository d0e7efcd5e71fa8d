package stream_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"xtls-agent/internal/fuzztest"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/stream"
)

// bytesConn is a connection from which given bytes are read, and to which anything can be written.
type bytesConn struct {
	net.Conn // nil: what is not defined here is not used
	in       *bytes.Reader
	out      bytes.Buffer
}

func (c *bytesConn) Read(p []byte) (int, error)       { return c.in.Read(p) }
func (c *bytesConn) Write(p []byte) (int, error)      { return c.out.Write(p) }
func (c *bytesConn) SetDeadline(time.Time) error      { return nil }
func (c *bytesConn) SetReadDeadline(time.Time) error  { return nil }
func (c *bytesConn) SetWriteDeadline(time.Time) error { return nil }
func (c *bytesConn) Close() error                     { return nil }

var fuzzLimits = xmpp.Limits{Bytes: 2048, Depth: 8, Elements: 32}

// Every header that is read can be written, and then means the same.
func FuzzHeader(f *testing.F) {
	good := header(owner, device)
	for _, seed := range []string{
		good, "<?xml version='1.0'?>" + good, strings.ReplaceAll(good, "stream:stream", "s:stream"), strings.ReplaceAll(good, "xmlns:stream", "xmlns:s"),
		strings.Replace(good, "1.0", "2.0", 1), strings.Replace(good, "owner@", "@", 1), "<stream/>", "<", "", "<?xml version='1.0'?><?xml version='1.0'?>",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := stream.NewFramer(&bytesConn{in: bytes.NewReader(data)}, fuzzLimits, 0).ReadHeader()
		if fuzztest.Line(t, err) {
			return
		}
		written := &bytesConn{}
		if err := stream.NewFramer(written, fuzzLimits, 0).WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		again, err := stream.NewFramer(&bytesConn{in: bytes.NewReader(written.out.Bytes())}, xmpp.Limits{}, 0).ReadHeader()
		if err != nil || !again.From.Equal(h.From) || !again.To.Equal(h.To) || again.ID != h.ID || again.Version != h.Version {
			t.Errorf("%+v became %+v, %v (%q)", h, again, err, written.out.Bytes())
		}
	})
}

func TestHeaderPrefixesAreRefused(t *testing.T) {
	whole := header(owner, device)
	for i := range whole {
		if _, err := stream.NewFramer(&bytesConn{in: bytes.NewReader([]byte(whole[:i]))}, fuzzLimits, 0).ReadHeader(); err == nil {
			t.Errorf("%q was taken for a header", whole[:i])
		}
	}
}

// Whatever the peer says after its header: stanzas of the two addresses, then one error that stays.
func FuzzStanzas(f *testing.F) {
	for _, seed := range []string{
		"<message/></stream:stream>", "<iq type='get' id='1' from='x@y'><q xmlns='urn:q'/></iq>", "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
		"<stream:features/>", "<a/>", " \n", "</stream:stream><message/>", "<message><a><b><c/></b></a></message>",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		conn := &bytesConn{in: bytes.NewReader(append([]byte(header(owner, device)), data...))}
		cfg := deviceConfig()
		cfg.Limits = fuzzLimits
		s, err := stream.Server(t.Context(), conn, cfg)
		if err != nil {
			t.Fatal(err)
		}
		for {
			st, err := s.ReadStanza()
			if err != nil {
				if err != io.EOF {
					fuzztest.Line(t, err)
				}
				if _, again := s.ReadStanza(); !errors.Is(again, err) && again.Error() != err.Error() {
					t.Errorf("first %v, then %v", err, again)
				}
				break
			}
			if !st.From.Equal(owner) || !st.To.Equal(device) {
				t.Errorf("from %v to %v", st.From, st.To)
			}
		}
		_ = s.Close()
	})
}
