package pairing

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	mathrand "math/rand/v2"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/internal/fuzztest"
	"xtls-agent/trust"
	"xtls-agent/xmpp"
)

// FuzzAllow: an allow list lets in whom a plain reading of its entries lets in, and nobody else; a guest list holds no patterns.
func FuzzAllow(f *testing.F) {
	for _, seed := range [][2]string{
		{"*@home.example", "anna@home.example"}, {"anyone", "eve@else.example"}, {"anna@home.example\n*@b", "b"}, {"*@", "x"}, {"*@*", "x@*"},
		{"Anna@home.example", "anna@home.example"}, {"anna@home.example/phone", "anna@home.example"}, {"*@a@b", "a@b"}, {"*@home.example.", "anna@home.example"}, {strings.Repeat("\xc7", 2000), "x"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, text, who string) {
		list := strings.Split(text, "\n")
		patterns, err := ParsePatterns(list)
		guests, err2 := ParseGuests(list)
		holdsPattern := slices.ContainsFunc(list, func(s string) bool { return strings.Contains(s, "*") })
		if fuzztest.Line(t, err2); err2 == nil && (err != nil || holdsPattern) {
			t.Fatalf("%q is a list of guests (%v)", list, err)
		}
		j, bad := jid.Parse(who)
		if fuzztest.Line(t, err) || bad != nil {
			return
		}
		bare := j.Bare().String()
		want := slices.Contains(list, "anyone") || slices.Contains(list, bare) || slices.Contains(list, "*@"+j.Domain().String())
		if patterns.Match(bare) != want || err2 == nil && guests.Match(bare) != want {
			t.Fatalf("%q lets in %q: %v", list, bare, !want)
		}
		if len(list) > maxAllow {
			t.Fatalf("%d entries", len(list))
		}
	})
}

// manyDigits are what may be a PIN.
var manyDigits = regexp.MustCompile(`[0-9]{4,}`)

// FuzzParseURI: what is read from a QR code is a bare JID and 8 digits, as net/url reads them, and is written as what is read again. No error
// holds any of it.
func FuzzParseURI(f *testing.F) {
	for _, s := range []string{
		"xmpp:box@home.example?xtls-pair;pin=27182818", "XMPP:b%C3%B6x@home.example?xtls-pair;pin=00000000", "xmpp:box@home.example/r?xtls-pair;pin=27182818",
		"xmpp:a%40b@c?xtls-pair;pin=27182818", "xmpp:[::1]?xtls-pair;pin=27182818", "xmpp:box?xtls-pair;pin=2718-281", "xmpp:box@h?xtls-pair;pin=27182818#x", "xmpp:%",
		"XMPP:b%6Fx@[::1]?xtls-pair;pin=27182818", "xmpp:ji%C5%99%C3%AD@x?xtls-pair;pin=00000000", "xmpp:?xtls-pair;pin=", "",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		bare, pin, err := ParseURI(s)
		if fuzztest.Line(t, err, manyDigits.FindAllString(s, -1)...) {
			if bare != "" || !pin.IsZero() {
				t.Fatalf("%q: results beside the error", s)
			}
			return
		}
		u, err := url.Parse(s)
		if err != nil || !strings.EqualFold(u.Scheme, "xmpp") || u.RawQuery != "xtls-pair;pin="+pin.Digits() || u.Fragment != "" {
			t.Fatalf("%q is %#v to net/url (%v)", s, u, err)
		}
		if path, err := url.PathUnescape(u.Opaque); err != nil || path != bare {
			t.Fatalf("%q is %q to net/url, not %q (%v)", s, path, bare, err)
		}
		again, err := FormatURI(bare, pin)
		if err != nil {
			t.Fatal(err)
		}
		if bare2, pin2, err := ParseURI(again); err != nil || bare2 != bare || !pin2.Equal(pin) {
			t.Fatalf("%q became %q: %v", s, again, err)
		}
	})
}

// FuzzCertificateOfPeer: the certificate that is pinned is the first of the answer, in the reading of encoding/base64 and crypto/x509, and
// its name, if it has one, is its fingerprint.
func FuzzCertificateOfPeer(f *testing.F) {
	id, err := trust.NewIdentity("box", time.Unix(0, 0), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	good := Pubkeys(NSPubkeysTmp, id.DER())
	f.Add(id.DER(), id.Fingerprint().String(), "", uint8(0))
	f.Add(id.DER(), strings.ToUpper(id.Fingerprint().String()), "sha-256", uint8(76))
	f.Add(id.DER()[1:], "", "", uint8(0))
	f.Add(append(id.DER(), 0), id.Fingerprint().String(), "sha-1", uint8(1))
	if cert, err := ParsePubkeys(good); err != nil || !slices.Equal(cert.Raw, id.DER()) {
		f.Fatalf("our own: %v", err)
	}
	f.Fuzz(func(t *testing.T, der []byte, name, algo string, width uint8) {
		text := base64.StdEncoding.EncodeToString(der)
		if width > 0 { // some write base64 in lines
			text = strings.Join(slices.Collect(chunks(text, int(width))), "\n ")
		}
		info := xmpp.NewElement(NSPubkeys, "keyinfo", xmpp.NewText(NSPubkeys, "x509cert", text))
		if name != "" {
			info.Add(xmpp.NewText(NSPubkeys, "name", name).With("algo", algo))
		}
		cert, err := ParsePubkeys(xmpp.NewElement(NSPubkeys, "pubkeys", info))
		want, bad := x509.ParseCertificate(der)
		if fuzztest.Line(t, err) {
			return
		}
		if bad != nil || !cert.Equal(want) || !slices.Equal(cert.Raw, der) {
			t.Fatalf("%x was taken (%v)", der, bad)
		}
		plain := strings.ToLower(strings.Join(strings.Fields(strings.ReplaceAll(name, ":", "")), ""))
		if len(plain) == 64 && plain != trust.FingerprintOf(der).String() {
			t.Fatalf("a certificate named %q was taken", name)
		}
	})
}

func chunks(s string, n int) func(func(string) bool) {
	return func(yield func(string) bool) {
		for len(s) > n && yield(s[:n]) {
			s = s[n:]
		}
		yield(s)
	}
}

// scriptSource makes numbers of the bytes of a script, then some that are always the same.
type scriptSource struct {
	script []byte
	rest   *mathrand.PCG
}

func (s *scriptSource) Uint64() uint64 {
	if len(s.script) == 0 {
		return s.rest.Uint64()
	}
	b := s.script[0]
	s.script = s.script[1:]
	return uint64(b) * 0x0101010101010101 // IntN looks at the upper bits
}

// FuzzPolicy plays the model of TestModel by scripts in place of chance: the fuzzer looks for plans that get somewhere new.
func FuzzPolicy(f *testing.F) {
	for seed := range uint64(6) {
		script := make([]byte, 120)
		for i, r := 0, mathrand.New(mathrand.NewPCG(seed, 1)); i < len(script); i++ {
			script[i] = byte(r.Uint32())
		}
		f.Add(seed%2 == 1, script)
	}
	f.Fuzz(func(t *testing.T, fixed bool, script []byte) {
		kind := uint64(0)
		if fixed {
			kind = 1
		}
		m := newModel(t, kind)
		source := &scriptSource{script[:min(len(script), 1000)], mathrand.NewPCG(1, 1)}
		m.rnd = mathrand.New(source)
		for len(source.script) > 0 && !t.Failed() {
			m.step()
			m.checkInvariants()
			m.checkWindow()
		}
	})
}
