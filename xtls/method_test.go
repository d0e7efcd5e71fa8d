package xtls_test

import (
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"xtls-agent/xtls"
	"xtls-agent/xtls/jingle"
	"xtls-agent/xtls/jingle/ibb"
	"xtls-agent/xtls/tlssrp"
)

// srpOf is the TLS client of method srp, as romeo's.
func srpOf(pin string) *tlssrp.Config {
	return &tlssrp.Config{Username: romeo.Bare().String(), Password: pin}
}

// proves by srp: see rogue.proves.
func (r *rogue) provesSRP(conn *tlssrp.Conn) error {
	_ = conn.SetDeadline(time.Now().Add(patience))
	if err := conn.Handshake(); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("x")); err != nil {
		return err
	}
	_, err := io.ReadFull(conn, make([]byte, 1))
	return err
}

// DESIGN §3, Negotiation: security-info names the one method, before the transport opens. A second one, or one
// that was not offered, ends the session.
func TestSecurityInfoThatEndsTheSession(t *testing.T) {
	for name, infos := range map[string][]string{
		"two methods":            {secured("", "x509", "srp")},
		"none":                   {secured("")},
		"an unknown one":         {secured("", "openpgp")},
		"twice":                  {secured("", "x509"), secured("", "x509")},
		"changed":                {secured("", "x509"), secured("", "srp")},
		"ambiguous fingerprints": {secured("<fingerprint>"+strings.Repeat("00", 32)+"</fingerprint><fingerprint>"+strings.Repeat("11", 32)+"</fingerprint>", "x509")},
	} {
		for _, k := range []talk{today, of09} {
			t.Run(name+" "+k.jingle, func(t *testing.T) {
				w := openWindow()
				_, r := visited(t, w)
				r.must(box, k.offer(secured(sha256Of(r.id), "x509", "srp")))
				r.next(jingle.SessionAccept)
				for _, info := range infos {
					r.must(box, k.info(info))
				}
				r.wantSecurityError()
				w.want(t, 0)
			})
		}
	}
}

// The methods of a session are those that its accept listed, not those that exist.
func TestSecurityInfoNamesWhatWasNotGranted(t *testing.T) {
	for name, tt := range map[string]struct {
		gate error
		mark string // what is announced
		pick string
	}{
		"srp while no window is open":    {xtls.ErrNotPairing, "known", "srp"},
		"x509 of an unknown certificate": {nil, "unknown", "x509"},
	} {
		t.Run(name, func(t *testing.T) {
			w := openWindow()
			w.admit = tt.gate
			device, r := visited(t, w)
			text := map[string]string{"known": sha256Of(r.id), "unknown": sha256Of(device.id)}[tt.mark]
			r.must(box, today.offer(secured(text, "x509", "srp")))
			r.next(jingle.SessionAccept)
			r.must(box, today.info(secured("", tt.pick)))
			r.wantSecurityError()
		})
	}
}

// jingle-xtls, Basic Protocol: the choice comes before the transport opens. With the transport of 2009, that is before its
// first bytes.
func TestSecurityInfoThatComesLate(t *testing.T) {
	for _, k := range []talk{today, of09} {
		t.Run(k.jingle, func(t *testing.T) {
			_, r := visited(t, nil)
			r.must(box, k.offer(secured(sha256Of(r.id), "x509")))
			r.next(jingle.SessionAccept)
			if err := r.proves(r.transport(k, box), r.tls13()); err != nil {
				t.Fatal(err)
			}
			r.must(box, k.info(secured("", "x509")))
			r.wantSecurityError()
		})
	}
}

// DESIGN §3: if security-info is missing, a sole offered method is meant, else the ClientHello decides
// among the methods of this session.
func TestSecurityInfoMissing(t *testing.T) {
	for name, tt := range map[string]struct {
		offer []string
		by    xtls.Method
	}{
		"sole x509":                   {[]string{"x509"}, xtls.X509},
		"sole srp":                    {[]string{"srp"}, xtls.SRP},
		"the ClientHello says x509":   {[]string{"x509", "srp"}, xtls.X509},
		"the ClientHello says srp":    {[]string{"x509", "srp"}, xtls.SRP},
		"the other way round, as srp": {[]string{"srp", "x509"}, xtls.SRP},
	} {
		for _, k := range []talk{today, of09} {
			t.Run(name+" "+k.jingle, func(t *testing.T) {
				device, r := visited(t, openWindow())
				r.must(box, k.offer(secured(sha256Of(r.id), tt.offer...)))
				r.next(jingle.SessionAccept)
				if err := r.goes(r.transport(k, box), tt.by); err != nil {
					t.Fatal(err)
				}
				if c := <-device.conns; c.Method != tt.by {
					t.Errorf("proven by %s", c.Method)
				}
			})
		}
	}
}

// goes proves by the method.
func (r *rogue) goes(conn *ibb.Conn, m xtls.Method) error {
	if m == xtls.SRP {
		return r.provesSRP(tlssrp.Client(conn, srpOf(testPIN)))
	}
	return r.proves(conn, r.tls13())
}

// No step of a handshake is chosen by what the peer says its step is: who announced one method and begins another fails, and
// so does who begins one that this session does not have. No PIN is spent.
func TestClientHelloThatContradicts(t *testing.T) {
	for name, tt := range map[string]struct {
		offer []string
		info  string
		hello xtls.Method
		start int // attempts: one begins where srp was chosen
	}{
		"x509 chosen, srp begun":  {[]string{"x509", "srp"}, "x509", xtls.SRP, 0},
		"srp chosen, x509 begun":  {[]string{"x509", "srp"}, "srp", xtls.X509, 1},
		"x509 granted, srp begun": {[]string{"x509"}, "", xtls.SRP, 0},
		"srp granted, x509 begun": {[]string{"srp"}, "", xtls.X509, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := openWindow()
			device, r := visited(t, w)
			r.must(box, today.offer(secured(sha256Of(r.id), tt.offer...)))
			r.next(jingle.SessionAccept)
			if tt.info != "" {
				r.must(box, today.info(secured("", tt.info)))
			}
			if err := r.goes(r.transport(today, box), tt.hello); err == nil {
				t.Error("it got in")
			}
			r.wantSecurityError()
			if len(device.conns) > 0 {
				t.Error("the device serves it")
			}
			w.want(t, tt.start)
		})
	}
}

// What is no ClientHello at all opens nothing and costs nothing.
func TestTransportWithoutTLS(t *testing.T) {
	for name, text := range map[string]string{
		"plain stream":  "<?xml version='1.0'?><stream:stream>",
		"alert":         "\x15\x03\x03\x00\x02\x02\x28",
		"empty record":  "\x16\x03\x03\x00\x00",
		"record of 64K": "\x16\x03\x03\xff\xff",
		"server hello":  "\x16\x03\x03\x00\x04\x02\x00\x00\x00",
	} {
		t.Run(name, func(t *testing.T) {
			w := openWindow()
			_, r := visited(t, w)
			r.must(box, today.offer(secured(sha256Of(r.id), "x509", "srp")))
			r.next(jingle.SessionAccept)
			if _, err := io.WriteString(r.transport(today, box), text); err != nil {
				t.Fatal(err)
			}
			r.wantSecurityError()
			w.want(t, 0)
		})
	}
}

// A ClientHello may come in several records (RFC 8446 §5.1): where the method is known nothing hangs on its form.
func TestClientHelloInPieces(t *testing.T) {
	_, r := visited(t, nil)
	r.must(box, today.offer(secured(sha256Of(r.id), "x509")))
	r.next(jingle.SessionAccept)
	r.must(box, today.info(secured("", "x509")))
	if err := r.proves(&inPieces{Conn: r.transport(today, box)}, r.tls13()); err != nil {
		t.Error(err)
	}
}

// inPieces splits the first record that is written in two.
type inPieces struct {
	*ibb.Conn
	split bool
}

func (c *inPieces) Write(p []byte) (int, error) {
	if c.split {
		return c.Conn.Write(p)
	}
	c.split = true
	body, half := p[5:], len(p[5:])/2
	piece := func(b []byte) []byte { return append([]byte{22, 3, 1, byte(len(b) >> 8), byte(len(b))}, b...) }
	if _, err := c.Conn.Write(append(piece(body[:half]), piece(body[half:])...)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// DESIGN §3: the 2009 forms are accepted and answered in kind; urn:xmpp:jingle:transports:ibb:0 has no <open/>. This is the
// content that Gajim sent in 2010: fingerprint in upper case with colons, <security/> before <description/>.
func TestGajimOf2010(t *testing.T) {
	device, r := visited(t, nil)
	sum := r.id.Fingerprint()
	print := strings.ToUpper(strings.Join(pairs(hex.EncodeToString(sum[:])), ":"))
	r.must(box, of09.offer(secured("<fingerprint>"+print+"</fingerprint>", "x509")))
	j := r.next(jingle.SessionAccept)
	if j.NS != jingle.NS0 || j.Contents[0].Transport.Name.Space != "urn:xmpp:jingle:transports:ibb:0" || j.Contents[0].Transport.Attr("sid") != "t1" {
		t.Errorf("answered with %s", j.Element())
	}
	r.must(box, of09.info(secured("", "x509")))
	conn := r.transport(of09, box)
	if err := r.proves(conn, r.tls13()); err != nil {
		t.Fatal(err)
	}
	(<-device.conns).Close()
	if end := r.next(jingle.SessionTerminate); end.NS != jingle.NS0 || end.Reason.Condition != jingle.Success {
		t.Errorf("ended by %s", end.Element())
	}
}

// The same for srp, and with the Jingle of one time and the transport of the other.
func TestMixedNamespaces(t *testing.T) {
	for _, k := range []talk{of09, {jingle.NS, of09.transport}, {jingle.NS0, today.transport}} {
		for _, m := range []xtls.Method{xtls.X509, xtls.SRP} {
			t.Run(k.jingle+" "+k.transport+" "+string(m), func(t *testing.T) {
				_, r := visited(t, openWindow())
				r.must(box, k.offer(secured(sha256Of(r.id), "x509", "srp")))
				if j := r.next(jingle.SessionAccept); j.NS != k.jingle || j.Contents[0].Transport.Name.Space != k.transport {
					t.Errorf("answered with %s", j.Element())
				}
				r.must(box, k.info(secured("", string(m))))
				opened := today
				if k.transport == of09.transport {
					opened = of09
				}
				if err := r.goes(r.transport(opened, box), m); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// DESIGN §3: Open offers x509 only, Pair alone offers srp: nobody can steer a user of call into typing a PIN.
func TestWhatIsOffered(t *testing.T) {
	for pin, want := range map[string]string{"": "x509", testPIN: "srp"} {
		owner, r := visiting(t)
		done := owner.opens(t, pin)
		j := r.next(jingle.SessionInitiate)
		sec := acceptedSecurity(t, j)
		own := owner.id.Fingerprint()
		if len(sec.Methods) != 1 || sec.Methods[0] != want || sec.Fingerprint == nil || sec.Fingerprint.Hex != hex.EncodeToString(own[:]) {
			t.Errorf("offered %s", j.Element())
		}
		// An accept of the other method, with everything that belongs to it, leads nowhere.
		other := map[string]string{"x509": "srp", "srp": "x509"}[want]
		r.must(romeo, today.accept(j, secured(sha256Of(r.id), other)))
		r.wantSecurityError()
		if o := r.result(done); !errors.Is(o.err, map[string]error{"x509": xtls.ErrNotKnown, "srp": xtls.ErrNotPairing}[want]) {
			t.Errorf("%s: %v", want, o.err)
		}
	}
}
