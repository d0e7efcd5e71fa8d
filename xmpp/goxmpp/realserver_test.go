package goxmpp

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"xtls-agent/internal/testpeer"
	"xtls-agent/xmpp"
)

// loggedIn logs in by whatever the address speaks.
func loggedIn(t *testing.T, cfg Config) {
	cfg.Mode = Auto
	l := quiet(t, cfg)
	if !l.LocalAddr().Bare().Equal(cfg.JID) {
		t.Errorf("bound %q", l.LocalAddr())
	}
	start := time.Now()
	_ = l.Close()
	if d := time.Since(start); d > closeGrace {
		t.Errorf("Close took %v", d)
	}
}

func wrongPassword(t *testing.T, cfg Config) {
	cfg.Password = password("wrong")
	if _, err := Dial(t.Context(), cfg); !errors.Is(err, xmpp.ErrNotAuthorized) {
		t.Errorf("got %v", err)
	}
}

func unknownRoots(t *testing.T, cfg Config) {
	cfg.Roots = x509.NewCertPool()
	var certificate *xmpp.CertificateError
	if _, err := Dial(t.Context(), cfg); !errors.As(err, &certificate) {
		t.Errorf("got %v", err)
	}
}

// twoAtOnce holds two links to one account: they must not throw each other out.
func twoAtOnce(t *testing.T, cfg Config) {
	a, b := quiet(t, cfg), quiet(t, cfg)
	if a.LocalAddr().Equal(b.LocalAddr()) {
		t.Fatalf("both are %q", a.LocalAddr())
	}
	if err := b.WriteStanza(&xmpp.Stanza{Kind: xmpp.IQ, Type: xmpp.Get, ID: "1", To: a.LocalAddr(),
		Payload: []*xmpp.Element{xmpp.NewElement("urn:test", "q")}}); err != nil {
		t.Fatal(err)
	}
	for {
		if st := mustRead(t, a); st.Kind == xmpp.IQ {
			if !st.From.Equal(b.LocalAddr()) {
				t.Errorf("from %q", st.From)
			}
			return
		}
	}
}

// serverStops ends the server under a link, and logs in again once it is back.
func serverStops(t *testing.T, cfg Config, s *testpeer.XMPPServer) {
	l := quiet(t, cfg)
	s.Stop(t)
	_, err := read(t, l)
	var stream *StreamError
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.As(err, &stream) {
		t.Errorf("the server stops: %v", err)
	}
	_ = l.Close()
	var unreachable *xmpp.UnreachableError
	if _, err := Dial(t.Context(), cfg); !errors.As(err, &unreachable) {
		t.Errorf("dialling it then: %v", err)
	}
	s.Start(t)
	quiet(t, cfg)
}

type records map[string][]*net.SRV

func (r records) LookupSRV(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
	found, ok := r["_"+service+"._"+proto+"."+name]
	if !ok {
		return "", nil, &net.DNSError{IsNotFound: true}
	}
	return "", found, nil
}
